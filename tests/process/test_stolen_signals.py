"""Engines that install handlers for SIGTERM and SIGINT while a worker runs do not get them."""

import signal

import pytest

from support.launcher import Launcher
from support.processes import Process

SIGNALS = (signal.SIGTERM, signal.SIGINT)
IN_START = ["BySignal", "ByLoop", "Ignores", "ByPythonsDefaults"]
WARNING = "{}: the engine, or something that it uses, installed a handler of its own"


def start(launcher: Launcher, model_folder: str, engine: str, how: str = "run") -> Process:
    port = launcher.ports.reserve()
    return launcher.script("robbed", how, f"thieves:{engine}", str(port), model_folder)


def ended_gracefully(program: Process, launcher: Launcher) -> None:
    assert program.wait() == 0
    assert launcher.latches.is_reached("cleanup")
    assert not launcher.latches.is_reached("thief-called")
    assert "Traceback" not in program.stderr
    for number in SIGNALS:
        assert program.stderr.count(WARNING.format(number.name)) == 1


@pytest.mark.parametrize("sent", SIGNALS)
@pytest.mark.parametrize("engine", IN_START)
def test_section_12_1_a_handler_installed_in_start_gets_no_signal(
    launcher: Launcher, model_folder: str, engine: str, sent: signal.Signals
) -> None:
    program = start(launcher, model_folder, engine)
    program.wait_for_line("^state Serving")
    program.send(sent)
    ended_gracefully(program, launcher)
    assert "raised" not in program.stdout
    # The process is its caller's again.
    assert program.stdout.splitlines()[-3:] == ["same True", "called SIGTERM", "called SIGINT"]


@pytest.mark.parametrize("sent", SIGNALS)
def test_section_12_1_a_handler_installed_while_serving_gets_no_signal(
    launcher: Launcher, model_folder: str, sent: signal.Signals
) -> None:
    program = start(launcher, model_folder, "Later")
    program.wait_for_line("^state Serving")
    launcher.latches.release("steal")
    launcher.latches.reached("given-up")
    program.send(sent)
    ended_gracefully(program, launcher)
    assert program.stdout.splitlines()[-3:] == ["same True", "called SIGTERM", "called SIGINT"]


@pytest.mark.parametrize("engine", ["BySignal", "ByLoop"])
def test_section_12_11_a_loops_own_handlers_are_back_after_serve(
    launcher: Launcher, model_folder: str, engine: str
) -> None:
    program = start(launcher, model_folder, engine, how="serve")
    program.wait_for_line("^state Serving")
    program.send(signal.SIGTERM)
    assert program.wait() == 0
    assert program.stdout.splitlines()[-2:] == ["same True", "called SIGTERM"]
    assert not launcher.latches.is_reached("thief-called")


def test_section_12_1_handlers_are_back_after_a_run_that_failed(
    launcher: Launcher, model_folder: str
) -> None:
    program = start(launcher, model_folder, "ThenFails")
    ended_gracefully(program, launcher)
    assert "raised start: " in program.stdout
    assert program.stdout.splitlines()[-3:] == ["same True", "called SIGTERM", "called SIGINT"]
