"""A forced end leaves no process of the engine's behind."""

import signal
import sys
import time
from pathlib import Path

from support.launcher import Launcher
from support.processes import Process, lives, until


def with_a_family(launcher: Launcher, timeout: int) -> tuple[Process, list[int]]:
    process = launcher.command(
        *["serve", "families:Family", "--discovery-backend", "file"],
        env={"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": str(timeout)},
    )
    process.wait_for_line("^Serving on")
    family = [int(pid) for pid in launcher.latches.reached("family").split()]
    # The first of the last two ended, as a parent that its child is to survive.
    assert [lives(pid) for pid in family] == [True, True, True, True, False, True]
    return process, family


def test_fault_28_nothing_is_left_after_the_deadline(launcher: Launcher) -> None:
    process, family = with_a_family(launcher, timeout=1)
    other = launcher.start(sys.executable, "-c", "import time; time.sleep(600)")
    assert process.terminate() == 143
    until(lambda: not any(map(lives, family)), "none of the engine's processes is left")
    assert other.alive
    # Python's tracker, a child too, lives until it has done that.
    shared = Path("/dev/shm") / launcher.latches.reached("shared")
    until(lambda: not shared.exists(), "the shared memory is removed")


def test_fault_28_nothing_is_left_after_a_second_ctrl_c(launcher: Launcher) -> None:
    process, family = with_a_family(launcher, timeout=600)
    process.send(signal.SIGINT)
    launcher.latches.reached("cleanup")
    # Not an order of events but the contract's own limit: an earlier one is the same keypress.
    time.sleep(1.2)
    process.send(signal.SIGINT)
    assert process.wait() == 130
    until(lambda: not any(map(lives, family)), "none of the engine's processes is left")
