"""docs/migrating.md: the program before, unchanged and after, answers behind one frontend."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from support.api import text_of, wait_for_routes
from support.frontend import PYTHON, start_frontend
from support.pages import Page, filled_in
from support.reference import paths

if TYPE_CHECKING:
    from pathlib import Path

    from support.launcher import Launcher

pytestmark = pytest.mark.frontend

PAGE = Page("migrating.md")
BEFORE, AFTER = (command.line for command in PAGE.consoles()["Before and after"])
UNCHANGED, AS_A_PROGRAM = (command.line for command in PAGE.consoles()["Run it unchanged"])
PROMPT = [1000, 1001, 1002]


@pytest.mark.parametrize(
    ("line", "program", "python"),
    [
        (BEFORE, "python", PYTHON),
        (UNCHANGED, "dynamo-backend", PYTHON),
        (AS_A_PROGRAM, "dynamo-backend", PYTHON),
        (AFTER, "dynamo-backend", sys.executable),
    ],
    ids=["before", "unchanged", "as a program", "after"],
)
def test_it_answers_backwards(
    launcher: Launcher, model_folder: str, line: str, program: str, python: Path | str
) -> None:
    PAGE.save_programs(launcher.folder)
    first, *arguments = shlex.split(
        filled_in(line, {"HuggingFaceTB/SmolLM2-135M-Instruct": model_folder})
    )
    assert first == program
    module = ["-m", "dynamo_backend_common"] if program == "dynamo-backend" else []
    env = paths(launcher.folder) if python is PYTHON and module else {}
    worker = launcher.start(str(python), *module, *arguments, cwd=launcher.folder, env=env)
    api = start_frontend(launcher)
    wait_for_routes(api, "backwards", PROMPT)
    answer = api.complete(PROMPT, model="backwards")
    assert answer.status == 200, answer.text
    backwards = api.complete(PROMPT[::-1], model="backwards")
    assert text_of(answer.json) != text_of(backwards.json)
    assert answer.json["usage"]["completion_tokens"] == len(PROMPT)
    assert worker.alive
