"""A prefill and a decode worker that share a folder, behind one frontend."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.api import wait_for_routes
from support.frontend import start_frontend
from support.launcher import Launcher
from support.metrics import sample
from support.processes import until
from support.vllm_worker import BLOCK, NAME, PROMPTS, VllmWorker, becomes_idle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.api import Api


class Pair:
    """Both workers, and their frontend."""

    def __init__(self, launcher: Launcher, path: str) -> None:
        shared = {
            "kv_connector": "ExampleConnector",
            "kv_role": "kv_both",
            "kv_connector_extra_config": {"shared_storage_path": str(launcher.folder / "kv")},
        }
        self.prefill, self.decode = (
            VllmWorker(
                launcher,
                *("--kv-transfer-config", json.dumps(shared)),
                path=path,
                options=("--disaggregation-mode", mode, "--component", mode),
            )
            for mode in ("prefill", "decode")
        )
        for worker in (self.prefill, self.decode):
            worker.wait()
        self.api: Api = start_frontend(launcher)
        wait_for_routes(self.api, NAME, PROMPTS[0])


@pytest.fixture(scope="session")
def pair(path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Launcher(tmp_path_factory.mktemp(f"pair-{path}")) as launcher:
        yield Pair(launcher, path)


def count(worker: VllmWorker, name: str) -> float:
    return sample(worker.system.get("/metrics").text, f"vllm:{name}", model_name=NAME)


def test_a_prefill_is_decoded_elsewhere(
    pair: Pair, expected: dict[str, list[dict[str, Any]]]
) -> None:
    prefilled = count(pair.prefill, "generation_tokens_total")
    for prompt, said in zip(PROMPTS, expected["alone"], strict=True):
        answer = pair.api.complete(prompt, max_tokens=24, temperature=0, ignore_eos=True)
        assert answer.status == 200, answer.text
        [choice] = answer.json["choices"]
        assert [int(word[1:]) for word in choice["text"].split()] == said["tokens"]
        assert answer.json["usage"]["prompt_tokens"] == len(prompt)
    becomes_idle(pair.prefill)
    becomes_idle(pair.decode)
    # A token for each prompt from the one, and all of them from the other.
    assert count(pair.prefill, "generation_tokens_total") - prefilled == len(PROMPTS)
    # What the decode got of long prompts it did not compute.
    long = [len(prompt) // BLOCK * BLOCK for prompt in PROMPTS if len(prompt) > BLOCK]
    hits = "external_prefix_cache_hits_total"
    until(lambda: count(pair.decode, hits) >= sum(long) / 2, "the cache came from the prefill")


def test_both_end_at_a_signal(pair: Pair) -> None:
    for worker in (pair.prefill, pair.decode):
        assert worker.process.terminate() == 0
        assert "Traceback" not in worker.process.output
        worker.leaves_nothing()
