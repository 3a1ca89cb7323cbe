"""A prefill and a decode worker that share a folder, behind one frontend."""

from __future__ import annotations

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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


LEAVING, CLIENTS = 100, 16


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


def has_none_in_flight(worker: VllmWorker) -> bool:
    return bool(worker.system.status()["in_flight"] == 0)


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
    # The connector keeps a prompt's whole blocks but for its last token, and looks without the last
    # two: so it finds a prompt where these are as many.
    found = [
        (len(prompt) - 1) // BLOCK * BLOCK
        for prompt in PROMPTS
        if (len(prompt) - 1) // BLOCK == (len(prompt) - 2) // BLOCK
    ]
    hits = "external_prefix_cache_hits_total"
    until(lambda: count(pair.decode, hits) == sum(found) > 0, "the cache came from the prefill")


def test_clients_that_leave_on_the_way_leave_nothing(pair: Pair) -> None:
    def leave(number: int) -> None:
        moment = random.Random(number)
        prompt = moment.choices(range(4, 490), k=moment.choice((4, 100)))
        body = pair.api.body_of_completion(prompt, model=NAME, max_tokens=140)
        connection = pair.api.hang_up("completions", body | {"stream": True, "ignore_eos": True})
        # From before the prefill to the middle of the decode.
        time.sleep(moment.uniform(0, 1))
        connection.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(leave, range(LEAVING)))
    for worker in (pair.prefill, pair.decode):
        until(partial(has_none_in_flight, worker), "no request is in flight")
        becomes_idle(worker)
    answer = pair.api.complete(PROMPTS[0], max_tokens=4, ignore_eos=True)
    assert answer.json["usage"]["completion_tokens"] == 4, answer.text


def test_both_end_at_a_signal(pair: Pair) -> None:
    for worker in (pair.prefill, pair.decode):
        assert worker.process.terminate() == 0
        assert "Traceback" not in worker.process.output
        worker.leaves_nothing()
