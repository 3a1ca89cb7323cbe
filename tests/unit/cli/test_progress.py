"""The progress line."""

import io
import sys

import pytest

from dynamo_backend_common import WorkerState
from dynamo_backend_common.cli.progress import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_it_shows_state_report_and_time(terminal: Terminal) -> None:
    with ProgressLine(terminal) as line:
        line.state(WorkerState.Starting)
        line.report("loading weights", 0.4)
        assert line.text().startswith("Starting the engine: loading weights 40%, 0.")
        assert line.text().endswith(" s")
    assert "Starting the engine" in terminal.getvalue()


def test_a_new_state_forgets_the_report(terminal: Terminal) -> None:
    with ProgressLine(terminal) as line:
        line.state(WorkerState.Starting)
        line.report("loading weights", 1.7)
        assert "100%" in line.text()
        line.state(WorkerState.Registering)
        assert line.text().startswith("Registering the model, ")


@pytest.mark.parametrize("state", [WorkerState.Serving, WorkerState.Stopped])
def test_it_is_gone_while_serving_and_afterwards(terminal: Terminal, state: WorkerState) -> None:
    with ProgressLine(terminal) as line:
        line.state(WorkerState.Starting)
        line.state(state)
        written = terminal.getvalue()
        line.report("late")
    assert terminal.getvalue() == written


def test_it_is_gone_after_a_failure(terminal: Terminal) -> None:
    def fail() -> None:
        with ProgressLine(terminal) as line:
            line.state(WorkerState.Starting)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert terminal.getvalue().endswith("\x1b[2K")


def test_without_a_terminal_nothing_is_shown() -> None:
    stream = io.StringIO()
    with ProgressLine(stream) as line:
        for state in WorkerState:
            line.state(state)
            line.report("something", 0.5)
    assert stream.getvalue() == ""


def test_without_rich_nothing_is_shown(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.live", None)
    with ProgressLine(terminal) as line:
        line.state(WorkerState.Starting)
        line.report("something", 0.5)
    assert terminal.getvalue() == ""
