"""Programs of theirs that make their worker by themselves: ``serve --reference -m``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.api import wait_for_routes
from support.frontend import start_frontend
from support.reference import PROMPT, SERVING, start

if TYPE_CHECKING:
    from support.launcher import Launcher
    from support.processes import Process

pytestmark = pytest.mark.frontend


def program(
    launcher: Launcher, module: str, *arguments: str, options: tuple[str, ...] = ()
) -> Process:
    return start(launcher, "serve", "--reference", "-m", module, *options, "--", *arguments)


@pytest.mark.parametrize("kind", ["worker", "run"])
def test_the_worker_that_a_program_makes_is_ours(
    launcher: Launcher, model_folder: str, kind: str
) -> None:
    port = launcher.ports.reserve()
    process = program(
        launcher,
        "referenced_main",
        *[kind, "--model-name", model_folder],
        options=("--system-port", str(port)),
    )
    process.wait_for_line(r"^Serving on theirs\.told\.generate$")
    api = start_frontend(launcher, "--namespace", "theirs")
    wait_for_routes(api, "told", PROMPT)
    answer = api.complete(PROMPT, model="told")
    assert answer.json["usage"]["completion_tokens"] == len(PROMPT)
    assert process.terminate() == 0
    assert "none was cut" in process.output
    assert launcher.latches.is_reached("cleanup")
    assert launcher.latches.is_reached("main-ended") == (kind == "worker")


def test_their_own_program(launcher: Launcher, model_folder: str) -> None:
    process = program(
        launcher,
        "dynamo.common.backend.sample_main",
        *["--model-name", model_folder, "--discovery-backend", "file", "--namespace", "sample"],
    )
    assert process.wait_for_line(SERVING).group(1) == "sample.sample.generate"
    assert process.terminate() == 0


def test_their_program_for_tokenspeed(launcher: Launcher, model_folder: str) -> None:
    process = program(
        launcher,
        "dynamo.tokenspeed",
        *["--model", model_folder, "--served-model-name", "speed", "--discovery-backend", "file"],
    )
    process.wait_for_line(r"^Serving on dynamo\.backend\.generate$")
    api = start_frontend(launcher)
    wait_for_routes(api, "speed", PROMPT)
    usage = api.complete(PROMPT, model="speed").json["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (len(PROMPT), len(PROMPT))
    assert process.terminate() == 0
    assert launcher.latches.is_reached("shutdown")


def test_what_a_program_raises_is_shown(launcher: Launcher) -> None:
    process = program(launcher, "referenced_main", "raise")
    assert process.wait() == 1
    assert "RuntimeError: the program is broken" in process.stderr
    assert 'referenced_main.py", line' in process.stderr
    assert "dynamo_backend_common/" not in process.stderr
    assert process.stderr.splitlines()[-1] == (
        "dynamo-backend: error: program 'referenced_main' failed: RuntimeError: the program is"
        " broken"
    )


def test_a_program_exits_as_it_wants(launcher: Launcher) -> None:
    assert program(launcher, "referenced_main", "exit").wait() == 5
    helped = program(launcher, "dynamo.common.backend.sample_main", "--help")
    assert helped.wait() == 0
    assert "--disaggregation-mode" in helped.stdout
    wrong = program(launcher, "dynamo.common.backend.sample_main", "--no-such")
    assert wrong.wait() == 2
    assert "unrecognized arguments: --no-such" in wrong.stderr


def test_a_start_that_fails_in_a_program(launcher: Launcher, model_folder: str) -> None:
    process = program(
        launcher, "referenced_main", "run", "--model-name", model_folder, "--in-start", "raise"
    )
    assert process.wait() == 1
    assert "there is no such model" in process.stderr.splitlines()[-1]
    assert 'referenced.py", line' in process.stderr


@pytest.mark.parametrize(
    ("module", "status", "said"),
    [
        ("dynamo.vllm", 2, "-m: dynamo.vllm drives the runtime by itself"),
        ("nosuch", 2, "-m: no module named 'nosuch'"),
        ("nosuch.main", 2, "-m: no module named 'nosuch'"),
        ("dynamo.common.backend", 2, "-m: no module named 'dynamo.common.backend.__main__'"),
        ("latches", 1, "program 'latches' ended, and made no Worker of dynamo.common.backend"),
    ],
)
def test_what_is_no_program(launcher: Launcher, module: str, status: int, said: str) -> None:
    process = program(launcher, module)
    assert process.wait() == status
    [line] = process.stderr.splitlines()
    assert line.startswith(f"dynamo-backend: error: {said}")
