"""Whose the signals are: the worker's while it runs, then the caller's; never its children's."""

import os
import signal

import pytest

from support.api import text_of
from support.launcher import Launcher, Server
from support.streams import PROMPT

SIGNALS = pytest.mark.parametrize(
    "which", [signal.SIGTERM, signal.SIGINT], ids=lambda which: which.name
)


@pytest.mark.parametrize(
    ("engine", "end"),
    [("lifecycles:Recorded", "returned"), ("lifecycles:StartRaises", "raised")],
    ids=["after-a-success", "after-a-failure"],
)
def test_section_12_1_the_callers_handlers_are_back_when_run_is_over(
    launcher: Launcher, model_folder: str, engine: str, end: str
) -> None:
    program = launcher.script("handlers", engine, str(launcher.ports.reserve()), model_folder)
    assert program.wait() == 0
    told = program.stdout.splitlines()
    assert told == [end, "same True", "terminated True", "KeyboardInterrupt"]


@SIGNALS
@pytest.mark.parametrize("engine", ["Forks", "Multiprocesses", "Spawns"])
def test_section_12_1_a_child_of_the_engine_has_the_default_handlers(
    launcher: Launcher, model_folder: str, engine: str, which: signal.Signals
) -> None:
    server = launcher.serve(f"forking:{engine}", "--model-name", model_folder)
    os.kill(int(launcher.latches.reached("forked")), which)
    answers(server)
    assert server.process.terminate() == 0
    assert launcher.latches.reached("ended") == str(-which)


def test_section_12_1_ctrl_c_in_a_terminal_reaches_children_too_and_is_graceful(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("forking:Forks", "--model-name", model_folder)
    launcher.latches.reached("forked")
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.process.wait() == 0
    assert launcher.latches.reached("ended") == str(-signal.SIGINT)


def answers(server: Server) -> None:
    answer = server.api.complete(PROMPT, model=server.model)
    assert (answer.status, text_of(answer.json).strip()) == (200, PROMPT)
