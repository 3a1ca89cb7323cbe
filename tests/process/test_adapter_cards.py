"""Cards of LoRA adapters: registered and withdrawn beside the worker's own, while it serves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.processes import until
from support.system import System, becomes_ready, serve

if TYPE_CHECKING:
    from support.launcher import Launcher

ENGINE = "adapted:Adapted"


def cards(launcher: Launcher) -> dict[str, dict[str, Any]]:
    """The cards in discovery by files, by their names."""
    folder = launcher.folder / "discovery" / "v1" / "mdc"
    records = (path for path in folder.glob("*generate*") if not path.name.startswith(".tmp_"))
    found = (json.loads(path.read_text())["card_json"] for path in records)
    return {card["display_name"]: card for card in found}


def load(system: System, name: str) -> None:
    answer = system.control("load_lora", {"name": name})
    assert answer.json == {"status": "ok"}, answer.text


def test_an_adapter_has_a_card_while_it_is_loaded(launcher: Launcher, model_folder: str) -> None:
    process, system = serve(launcher, ENGINE, "--model-name", model_folder)
    [(model, base)] = cards(launcher).items()
    assert base["runtime_config"]["max_gpu_lora_count"] == 3
    assert "lora" not in base

    for _ in range(2):
        load(system, "org/tuned")
    found = cards(launcher)
    assert sorted(found) == ["org/tuned", model]
    assert found["org/tuned"]["lora"] == {"name": "org/tuned", "max_gpu_lora_count": 3}
    assert found[model] == base
    for field in ("model_type", "worker_type", "runtime_config"):
        assert found["org/tuned"][field] == base[field]

    load(system, "other")
    for _ in range(2):
        assert system.control("unload_lora", {"name": "org/tuned"}).status == 200
    assert sorted(cards(launcher)) == ["other", model]
    assert process.terminate() == 0
    assert cards(launcher) == {}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (" ", "adapter ' ': it needs a name"),
        ("plain", "adapter 'plain': it needs a name, and not the model's own"),
        ("org_tuned", "adapter 'org_tuned': to discovery it has the name of 'org/tuned'"),
    ],
)
def test_a_name_that_cannot_be_told_apart_is_refused(
    shared_adapted: System, name: str, message: str
) -> None:
    load(shared_adapted, "org/tuned")
    answer = shared_adapted.control("load_lora", {"name": name})
    assert answer.status == 500
    assert message in answer.text


@pytest.fixture(scope="module")
def shared_adapted(shared: Launcher, model_folder: str) -> System:
    _, system = serve(shared, ENGINE, "--model-name", model_folder)
    return system


def test_lost_cards_come_back_together(launcher: Launcher, model_folder: str) -> None:
    process, system = serve(launcher, ENGINE, "--model-name", model_folder)
    load(system, "tuned")
    becomes_ready(system)
    before = cards(launcher)
    assert len(before) == 2
    for record in (launcher.folder / "discovery" / "v1" / "mdc").glob("*generate*"):
        record.unlink()
    process.wait_for_line("not in discovery: its model card gone")
    until(lambda: sorted(cards(launcher)) == sorted(before), "both cards are back")
    # The adapter's alone does not hide that the worker's is gone.
    base = next(name for name in before if name != "tuned")
    for record in (launcher.folder / "discovery" / "v1" / "mdc").glob("*generate*"):
        if json.loads(record.read_text())["card_json"].get("lora") is None:
            record.unlink()
    until(lambda: base in cards(launcher), "the worker's card is back")
    assert process.terminate() == 0


def test_a_frontend_serves_an_adapter_as_a_model(launcher: Launcher, model_folder: str) -> None:
    port = launcher.ports.reserve()
    server = launcher.serve(
        ENGINE, "--model-name", model_folder, env={"DYN_SYSTEM_PORT": str(port)}
    )
    api, system = server.api, System(port)
    assert api.models() == [server.model]
    load(system, "tuned")
    until(lambda: sorted(api.models()) == sorted([server.model, "tuned"]), "it is listed")
    assert api.complete("alpha", model="tuned").status == 200
    assert api.complete("alpha", model=server.model).status == 200
    assert system.control("asked").json == {"asked": ["tuned", None]}

    system.control("unload_lora", {"name": "tuned"})
    until(lambda: api.models() == [server.model], "it is not listed any more")
    assert api.complete("alpha", model="tuned").status == 404
    assert api.complete("alpha").status == 200
    assert server.process.terminate() == 0


def test_a_worker_without_a_model_has_no_adapters(launcher: Launcher) -> None:
    process, system = serve(launcher, ENGINE)
    answer = system.control("load_lora", {"name": "tuned"})
    assert answer.status == 500
    assert "the worker's card has no model; configure model_name" in answer.text
    assert process.terminate() == 0


def test_what_the_hook_raises_ends_the_start(launcher: Launcher) -> None:
    process = launcher.command("serve", "adapted:Refusing", "--discovery-backend", "file")
    assert process.wait() == 1
    assert "on_adapter_cards: RuntimeError: no cards" in process.output
    assert cards(launcher) == {}
