"""Children that an engine starts die of SIGTERM and SIGINT as others do, without its worker."""

import os
import signal
from pathlib import Path

import pytest

from support.api import Api, text_of
from support.launcher import Launcher
from support.processes import until

PROMPT = "alpha beta gamma"


def sleeps(pid: int) -> bool:
    """Whether it is asleep in a call, as it is once it runs its own code."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "S"


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_section_12_1_a_signal_to_a_child_ends_that_child_alone(
    launcher: Launcher, model_folder: str, sent: signal.Signals
) -> None:
    port = launcher.ports.reserve()
    program = launcher.script("worker", "children:Parent", str(port), model_folder)
    program.wait_for_line("^state Serving")
    for way in ("fork", "multiprocess", "program"):
        child = int(launcher.latches.reached(way))
        until(lambda child=child: sleeps(child), "the child sleeps")
        os.kill(child, sent)
        ended = int(launcher.latches.reached(f"{way}-ended"))
        # A program is Python's from the start: Ctrl-C raises KeyboardInterrupt there.
        assert ended in ({-sent, 1} if way == "program" else {-sent})
    # The worker was not told.
    assert text_of(Api(port).complete(PROMPT).json).strip() == PROMPT
    assert "state Draining" not in program.stdout
    assert program.terminate() == 0
