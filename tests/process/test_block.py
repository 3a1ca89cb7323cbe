"""``async with Worker(...)``: a block that is inside the worker's run."""

import signal

import pytest

from support.api import Api, text_of
from support.launcher import Launcher
from support.processes import Process


def block(launcher: Launcher, engine: str, model: str, what: str) -> Process:
    return launcher.script("block", engine, model, what)


def test_the_block_begins_when_the_worker_answers_on_a_port_of_its_own(
    launcher: Launcher, model_folder: str
) -> None:
    program = block(launcher, "Plain", model_folder, "waits")
    found = program.wait_for_line(r"^url http://127\.0\.0\.1:(\d+) True Serving$")
    assert text_of(Api(int(found.group(1))).complete("alpha beta").json).strip() == "alpha beta"
    # By a signal the run ends first, and so does the block.
    program.send(signal.SIGTERM)
    assert program.wait() == 0
    assert "block ended" not in program.stdout
    for line in ("state Stopped", "reason signal", "cancelling 0", "after the block"):
        program.wait_for_line(f"^{line}$")


def test_leaving_the_block_shuts_down(launcher: Launcher, model_folder: str) -> None:
    program = block(launcher, "Plain", model_folder, "nothing")
    assert program.wait() == 0
    for line in ("block ended", "state Stopped", "reason shutdown", "after the block"):
        program.wait_for_line(f"^{line}$")


def test_what_the_block_raises_comes_out_after_the_shutdown(
    launcher: Launcher, model_folder: str
) -> None:
    program = block(launcher, "Plain", model_folder, "raises")
    assert program.wait() == 0
    program.wait_for_line("^raised ValueError of the block$")
    program.wait_for_line("^reason shutdown$")


def test_what_start_raises_is_raised_before_the_block(
    launcher: Launcher, model_folder: str
) -> None:
    program = block(launcher, "StartRaises", model_folder, "nothing")
    assert program.wait() == 0
    raised = program.wait_for_line("^raised (.*)$").group(1)
    assert raised.startswith("Unknown start: ")
    assert "no weights on this disk" in raised
    program.wait_for_line(r"^cause RuntimeError\('no weights on this disk'\)$")
    assert "url" not in program.stdout


def test_a_shutdown_before_the_worker_serves_is_raised(
    launcher: Launcher, model_folder: str
) -> None:
    program = block(launcher, "StartWaits", model_folder, "nothing")
    program.wait_for_line("^starting$")
    program.send(signal.SIGTERM)
    assert program.wait() == 0
    program.wait_for_line(r"^raised EngineShutdown .*before it served \(signal\)$")
    assert "url" not in program.stdout


def test_an_engine_that_fails_ends_the_block_with_its_error(
    launcher: Launcher, model_folder: str
) -> None:
    program = block(launcher, "Fails", model_folder, "waits")
    assert program.wait() == 0
    assert "the device is gone" in program.wait_for_line("^raised (.*)$").group(1)
    program.wait_for_line(r"^cause RuntimeError\('the device is gone'\)$")
    program.wait_for_line("^cancelling 0$")
    assert "block ended" not in program.stdout


def test_a_block_that_ends_as_the_run_does_loses_no_error(
    launcher: Launcher, model_folder: str
) -> None:
    program = block(launcher, "Fails", model_folder, "ends anyway")
    assert program.wait() == 0
    assert "the device is gone" in program.wait_for_line("^raised (.*)$").group(1)
    program.wait_for_line("^cancelling 0$")


def test_a_second_block_is_refused_and_the_first_one_is_as_it_was(
    launcher: Launcher, model_folder: str
) -> None:
    program = block(launcher, "Plain", model_folder, "again")
    assert program.wait() == 0
    program.wait_for_line("^refused a Worker is used once")
    for line in ("block ended", "state Stopped", "reason shutdown", "after the block"):
        program.wait_for_line(f"^{line}$")


@pytest.mark.parametrize("engine", ["StartWaits", "FailsLate"])
def test_being_cancelled_before_the_worker_serves_waits_for_its_end(
    launcher: Launcher, model_folder: str, engine: str
) -> None:
    program = block(launcher, engine, model_folder, "is cancelled")
    assert program.wait() == 0
    program.wait_for_line("^cancelled$")
    program.wait_for_line("^state Stopped$")
    assert "url" not in program.stdout
