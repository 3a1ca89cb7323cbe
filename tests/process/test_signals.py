"""Whose the signals are: the worker's while it runs, then the caller's; never its children's."""

import os
import signal

import pytest

from support.api import Api, finish_reasons, read_text, text_of
from support.launcher import Launcher, Server
from support.streams import PROMPT


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


@pytest.mark.parametrize("engine", ["Forks", "Multiprocesses", "Spawns"])
def test_section_12_1_sigterm_ends_a_child_of_the_engine_as_any_other(
    launcher: Launcher, model_folder: str, engine: str
) -> None:
    server = launcher.serve(f"forking:{engine}", "--model-name", model_folder)
    os.kill(int(launcher.latches.reached("forked")), signal.SIGTERM)
    answers(server)
    assert server.process.terminate() == 0
    assert launcher.latches.reached("ended") == str(-signal.SIGTERM)


@pytest.mark.parametrize("engine", ["Forked", "Spawned", "Served", "Programmed"])
def test_fault_29_ctrl_c_in_a_terminal_leaves_the_engines_processes_to_finish_its_requests(
    launcher: Launcher, model_folder: str, engine: str
) -> None:
    server = launcher.serve(f"sharded:{engine}", "--model-name", model_folder)
    with server.api.stream_completion(PROMPT, model=server.model) as stream:
        launcher.latches.reached("first")
        # What a terminal does: all that is in the foreground gets it.
        os.killpg(server.process.pid, signal.SIGINT)
        server.process.wait_for_line("Shutdown begins")
        launcher.latches.release("rest")
        text, chunks = read_text(stream)
    assert text.strip() == PROMPT
    assert finish_reasons(chunks) == ["stop"]
    assert server.process.wait() == 0
    assert launcher.latches.reached("exitcode") == "0"


@pytest.mark.parametrize("engine", ["Forked", "Programmed"])
def test_fault_29_so_it_is_inside_another_programs_loop(
    launcher: Launcher, model_folder: str, engine: str
) -> None:
    port = launcher.ports.reserve()
    program = launcher.script("worker", f"sharded:{engine}", str(port), model_folder)
    program.wait_for_line("state Serving")
    with Api(port).stream_completion(PROMPT, model="sharded") as stream:
        launcher.latches.reached("first")
        os.killpg(program.pid, signal.SIGINT)
        program.wait_for_line("state Draining")
        launcher.latches.release("rest")
        text, _ = read_text(stream)
    assert text.strip() == PROMPT
    assert program.wait() == 0
    assert launcher.latches.reached("exitcode") == "0"


def answers(server: Server) -> None:
    answer = server.api.complete(PROMPT, model=server.model)
    assert (answer.status, text_of(answer.json).strip()) == (200, PROMPT)
