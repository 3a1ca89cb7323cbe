"""The end of the program, and forked children, while threads of the engine are inside."""

import pytest

from support.api import Api, text_of
from support.launcher import Launcher

PROMPT = "alpha beta gamma"


@pytest.mark.parametrize(("what", "times"), [("steps", 5), ("events", 3)])
def test_section_12_11_the_program_ends_while_daemon_threads_hand_over(
    launcher: Launcher, model_folder: str, what: str, times: int
) -> None:
    for _ in range(times):
        port = launcher.ports.reserve()
        program = launcher.script("ending", what, str(port), model_folder)
        assert program.wait() == 0
        assert "ends" in program.stdout
        assert "FATAL" not in program.output
        assert "Traceback" not in program.output


def test_a_forked_child_does_not_reach_into_its_parent(
    launcher: Launcher, model_folder: str
) -> None:
    port = launcher.ports.reserve()
    program = launcher.script("forked_inside", str(port), model_folder)
    program.wait_for_line("state Serving")
    answer = Api(port).complete(PROMPT)
    assert text_of(answer.json).strip() == PROMPT
    for refused in (
        *("push", "push_packed", "open", "stored", "removed", "cleared", "snapshot", "stopped"),
    ):
        program.wait_for_line(f"^child {refused} refused: .*forked.*'spawn'")
    for ignored in ("first token", "shutdown"):
        program.wait_for_line(f"^child {ignored} None")
    # The parent goes on.
    assert text_of(Api(port).complete(PROMPT).json).strip() == PROMPT
    assert program.terminate() == 0
    assert "unraisable" not in program.output
