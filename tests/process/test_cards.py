"""Section 6: a card that frontends can load, the same wherever its files lie; and one that differs
from those before it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support import system
from support.processes import until
from support.system import SERVING, System, becomes_ready, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.launcher import Launcher


def edited(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


def without(folder: Path, name: str) -> None:
    (folder / name).unlink()


BROKEN: dict[str, tuple[Callable[..., None], str, str]] = {
    "no tokenizer": (without, "tokenizer.json", ""),
    "no JSON in the tokenizer": (edited, "tokenizer.json", "{"),
    "no JSON in the configuration": (edited, "config.json", "{"),
    "no configuration": (without, "config.json", ""),
    "no JSON beside the tokenizer": (edited, "tokenizer_config.json", "{"),
    "nothing beside the tokenizer": (without, "tokenizer_config.json", ""),
    "a template that does not parse": (edited, "chat_template.jinja", "{% for %}"),
}


@pytest.fixture
def copy(tmp_path: Path, model_folder: str) -> Path:
    """The model's folder, to be broken."""
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def broken(folder: Path, how: str) -> None:
    change, name, text = BROKEN[how]
    change(folder, name, *([text] if text else []))


@pytest.mark.parametrize("how", BROKEN)
def test_section_6_a_model_that_no_frontend_can_load_is_told_before_the_engine_starts(
    launcher: Launcher, copy: Path, how: str
) -> None:
    broken(copy, how)
    process = launcher.command(
        "serve",
        "lifecycles:Recorded",
        "--discovery-backend",
        "file",
        "--model-name",
        str(copy),
    )
    assert process.wait() == 1
    [error] = [line for line in process.stderr.splitlines() if "dynamo-backend: error: " in line]
    assert error.startswith("dynamo-backend: error: card: ")
    assert str(copy) in error
    assert "Traceback" not in process.output
    assert not launcher.latches.is_reached("start")


@pytest.mark.parametrize(
    ("how", "options"),
    [
        ("a template that does not parse", ["--endpoint-types", "completions"]),
        ("no tokenizer", ["--disaggregation-mode", "prefill"]),
    ],
)
def test_section_6_what_a_frontend_does_not_load_is_not_asked_for(
    launcher: Launcher, copy: Path, how: str, options: list[str]
) -> None:
    broken(copy, how)
    process, system = serve(launcher, "plain:Plain", "--model-name", str(copy), *options)
    becomes_ready(system)
    assert process.terminate() == 0


def test_section_4_7_a_card_is_registered_when_the_engine_was_asked_all(
    launcher: Launcher,
) -> None:
    process = launcher.command("serve", "lifecycles:ControlsWait", "--discovery-backend", "file")
    launcher.latches.reached("asked")
    assert cards(launcher) == []
    launcher.latches.release("go")
    process.wait_for_line(SERVING)
    assert len(cards(launcher)) == 1
    assert process.terminate() == 0


def cards(launcher: Launcher) -> list[dict[str, Any]]:
    return [json.loads(path.read_text())["card_json"] for path in system.cards(launcher)]


def reason(system: System) -> str:
    """Why the only worker is not ready; empty where it is."""
    return str(system.health()[1]["workers"][0].get("reason", ""))


def test_section_6_equal_files_make_equal_cards_wherever_they_lie(
    launcher: Launcher, copy: Path, model_folder: str
) -> None:
    for folder in (model_folder, str(copy)):
        process, system = serve(launcher, "plain:Plain", "--model-name", folder)
        becomes_ready(system)
    first, second = cards(launcher)
    assert first["source_path"] == second["source_path"] == "plain"
    assert first["tokenizer"] != second["tokenizer"], "each points at its own"
    assert process.terminate() == 0


def test_a_card_that_differs_from_those_before_it_makes_its_worker_wait_for_their_end(
    launcher: Launcher, copy: Path, model_folder: str
) -> None:
    first, first_system = serve(launcher, "plain:Plain", "--model-name", model_folder)
    edited(copy, "chat_template.jinja", "{{ messages[0].content }}")
    second, second_system = serve(launcher, "plain:Plain", "--model-name", str(copy))
    until(lambda: "chat_template_file" in reason(second_system), "it says how its card differs")
    assert second_system.health()[0] == 503
    second.wait_for_line("Frontends send nothing here: .*chat_template_file")
    # Of the first kind, though it comes last; and the second kind is still kept waiting by it.
    third, third_system = serve(launcher, "plain:Plain", "--model-name", model_folder)
    becomes_ready(third_system)
    assert first_system.is_ready()
    assert first.terminate() == 0
    assert not second_system.is_ready()
    assert third.terminate() == 0
    becomes_ready(second_system)
    assert second.terminate() == 0


def test_generations_with_a_suffix_are_ready_side_by_side(
    launcher: Launcher, copy: Path, model_folder: str
) -> None:
    _, old = serve(launcher, "plain:Plain", "--model-name", model_folder)
    edited(copy, "chat_template.jinja", "{{ messages[0].content }}")
    process, new = serve(
        launcher,
        "plain:Plain",
        "--model-name",
        str(copy),
        env={"DYN_NAMESPACE_WORKER_SUFFIX": "v2"},
    )
    process.wait_for_line("Serving on dynamo-v2.backend.generate")
    becomes_ready(new)
    assert old.is_ready()
    assert new.health()[1]["workers"][0]["endpoint"] == "dynamo-v2.backend.generate"
