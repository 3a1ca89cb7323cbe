"""LoRA adapters: loaded, served by name, replaced and unloaded while the worker serves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.api import wait_for_routes
from support.frontend import start_frontend
from support.launcher import Launcher
from support.processes import until
from support.vllm_worker import MODEL, NAME, PROMPTS, Served, VllmWorker

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMPT = PROMPTS[4]


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Launcher(tmp_path_factory.mktemp("lora")) as launcher:
        worker = VllmWorker(launcher, "--enable-lora", "--max-lora-rank", "8")
        worker.wait()
        api = start_frontend(launcher)
        wait_for_routes(api, NAME, PROMPT)
        yield Served(launcher, worker, api)


def adapter(launcher: Launcher, name: str, seed: int) -> str:
    """The folder of an adapter; ``seed`` makes its weights."""
    folder = launcher.folder / "adapters" / name
    script = str(Path(__file__).with_name("make_adapter.py"))
    made = launcher.start(
        sys.executable, "-P", script, str(MODEL), str(folder), str(seed), cwd=launcher.folder
    )
    assert made.wait() == 0, made.describe()
    return str(folder)


def tell(served: Served, control: str, **body: Any) -> dict[str, Any]:
    answer = served.worker.system.control(control, body)
    assert answer.status == 200, answer.text
    reply: dict[str, Any] = answer.json
    return reply


def said(served: Served, model: str) -> str:
    answer = served.api.complete(PROMPT, model=model, max_tokens=12, temperature=0, ignore_eos=True)
    assert answer.status == 200, answer.text
    text: str = answer.json["choices"][0]["text"]
    return text


def test_an_adapter_is_served_by_its_name_until_it_is_unloaded(adapted: Served) -> None:
    base = said(adapted, NAME)
    one, other = (adapter(adapted.launcher, f"a{seed}", seed) for seed in (1, 2))
    assert tell(adapted, "load_lora", lora_name="tuned", lora_path=one)["status"] == "ok"
    until(lambda: sorted(adapted.api.models()) == [NAME, "tuned"], "the adapter is listed")
    tuned = said(adapted, "tuned")
    assert tuned != base
    assert said(adapted, "tuned") == tuned
    assert said(adapted, NAME) == base

    uri = {"uri": Path(other).as_uri()}
    assert tell(adapted, "load_lora", lora_name="second", source=uri)["status"] == "ok"
    until(lambda: "second" in adapted.api.models(), "the other is listed")
    # There is room for one of them at a time.
    second = said(adapted, "second")
    assert len({base, tuned, second}) == 3
    assert said(adapted, "tuned") == tuned
    assert set(tell(adapted, "list_loras")["loras"]) == {"second", "tuned"}

    again = tell(adapted, "load_lora", lora_name="tuned", lora_path=other)
    assert again["status"] == "error"
    assert "unload it first" in again["message"]
    for name in ("tuned", "second"):
        assert tell(adapted, "unload_lora", lora_name=name)["status"] == "ok"
    until(lambda: adapted.api.models() == [NAME], "none is listed any more")
    assert adapted.api.complete(PROMPT, model="tuned", max_tokens=1).status == 404
    assert tell(adapted, "list_loras")["loras"] == {}
    assert said(adapted, NAME) == base


def test_what_is_loaded_anew_is_not_taken_from_the_cache(adapted: Served) -> None:
    folder = Path(adapter(adapted.launcher, "b", 3))
    assert tell(adapted, "load_lora", lora_name="again", lora_path=str(folder))["status"] == "ok"
    until(lambda: "again" in adapted.api.models(), "the adapter is listed")
    before = said(adapted, "again")
    assert tell(adapted, "unload_lora", lora_name="again")["status"] == "ok"
    # Trained further: other weights in the same place.
    newer = Path(adapter(adapted.launcher, "newer", 4))
    for file in newer.iterdir():
        file.replace(folder / file.name)
    until(lambda: "again" not in adapted.api.models(), "the adapter is gone")
    assert tell(adapted, "load_lora", lora_name="again", lora_path=str(folder))["status"] == "ok"
    until(lambda: "again" in adapted.api.models(), "the adapter is listed")
    after = said(adapted, "again")
    assert after != before
    assert tell(adapted, "reset_prefix_cache")["status"] == "ok"
    assert said(adapted, "again") == after


def test_an_adapter_that_cannot_be_read_is_none(adapted: Served) -> None:
    answer = adapted.worker.system.control(
        "load_lora", {"lora_name": "absent", "lora_path": str(adapted.launcher.folder)}
    )
    assert answer.status == 500
    assert "absent" in answer.text
    assert "absent" not in tell(adapted, "list_loras")["loras"]
    assert "absent" not in adapted.api.models()
