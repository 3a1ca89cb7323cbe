"""A signal before there is a run: the command line has taken it before it imports anything."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from support.launcher import COMMAND, Launcher
from support.processes import Process, lives, until

SIGNALS = pytest.mark.parametrize(
    "which", [signal.SIGTERM, signal.SIGINT], ids=lambda which: which.name
)


def has_ended_in_order(launcher: Launcher, process: Process) -> None:
    assert process.wait() == 0
    assert "Traceback" not in process.output
    assert "asked to shut down before the worker began" in process.stderr
    assert not launcher.latches.is_reached("start")


@SIGNALS
@pytest.mark.parametrize(
    "place", ["the import", "the constructor", "from_args", "a factory", "configure"]
)
def test_fault_27_a_signal_before_the_run_ends_the_process_with_success(
    launcher: Launcher, place: str, which: signal.Signals
) -> None:
    engine = "early:factory" if place == "a factory" else "early:Early"
    process = launcher.command("serve", engine, env={"WAITS_IN": place})
    child = int(launcher.latches.reached("waits"))
    process.send(which)
    has_ended_in_order(launcher, process)
    until(lambda: not lives(child), "what it had started is gone")


def may_have_a_first_process() -> bool:
    unshare = shutil.which("unshare")
    return unshare is not None and not subprocess.call([unshare, "--pid", "--fork", "true"])


@pytest.mark.skipif(
    not may_have_a_first_process(), reason="only who may unshare can be the first process"
)
def test_fault_27_the_first_process_of_a_container_is_no_exception(launcher: Launcher) -> None:
    process = launcher.start(
        *["unshare", "--pid", "--fork", *COMMAND, "serve", "early:Early"],
        env={"WAITS_IN": "the import"},
    )
    launcher.latches.reached("waits")
    [first] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(first), signal.SIGTERM)
    has_ended_in_order(launcher, process)


def test_fault_27_handlers_that_the_import_installs_change_nothing(launcher: Launcher) -> None:
    process = launcher.command("serve", "early_thieves:Thief")
    launcher.latches.reached("robbed")
    process.send(signal.SIGTERM)
    has_ended_in_order(launcher, process)
