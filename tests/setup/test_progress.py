"""Commands side by side: how far they are, what one that fails wrote, and Ctrl-C."""

import os
import pty
import signal
import sys
from pathlib import Path

import pytest

from support.shell import ROOT, Shell

PROGRESS = (sys.executable, "scripts/progress.py")


@pytest.fixture
def logs(shell: Shell, tmp_path: Path) -> Path:
    shell.environment["LOGS"] = str(tmp_path / "logs")
    return tmp_path / "logs"


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (r"    Building [==>    ] 412/870: dynamo-llm\r", "crates 412 of 870 steps; 0 min"),
        (r"  [7/83] g++ -c a.cpp\n  [8/83] g++ -c b.cpp\n", "crates 8 of 83 steps; 0 min"),
        (r"Fresh serde/1.0\n", "crates; 0 min"),
    ],
)
def test_it_says_how_far_a_command_is(shell: Shell, logs: Path, printed: str, shown: str) -> None:
    done = shell.call(*PROGRESS, "crates", "printf", printed)
    assert done.returncode == 0
    assert shown in done.stdout


def test_a_terminal_sees_it_while_it_runs(shell: Shell, logs: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pid, terminal = pty.fork()
    if pid == 0:
        job = f"echo '[7/83]'; cat {pipe}; echo '[83/83]'"
        os.chdir(ROOT)
        os.execve(sys.executable, [*PROGRESS, "llama.cpp", "sh", "-c", job], shell.environment)
    shown = b""
    with pipe.open("w"):
        while b"llama.cpp 7 of 83 steps; 0 min" not in shown:
            shown += os.read(terminal, 1000)
        assert b"83 of 83" not in shown
    while b"83 of 83 steps" not in shown:
        shown += os.read(terminal, 1000)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)


def test_commands_run_at_the_same_time(shell: Shell, logs: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Each end of a pipe waits for the other.
    done = shell.call(
        *PROGRESS, "one", "sh", "-c", f"echo [1/1] >{pipe}", "::", "two", "cat", str(pipe)
    )
    assert done.returncode == 0
    assert "one, two 1 of 1 steps" in done.stdout


def test_a_failure_is_shown_and_ends_the_others(shell: Shell, logs: Path, tmp_path: Path) -> None:
    script = "for n in $(seq 100); do echo line $n; done; echo 'error: no crate' >&2; exit 7"
    ended = tmp_path / "ended"
    other = f"trap 'touch {ended}; exit' TERM; touch {ended}.ready; while :; do sleep 0.1; done"
    waiting = f"while [ ! -e {ended}.ready ]; do sleep 0.1; done; {script}"
    done = shell.call(*PROGRESS, "bad", "sh", "-c", waiting, "::", "good", "sh", "-c", other)
    assert done.returncode == 7
    assert "line 100\nerror: no crate\n" in done.stderr
    assert "line 50\n" not in done.stderr
    assert str(logs / "bad.log") in done.stderr
    assert ended.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_ends_what_it_started(
    shell: Shell, logs: Path, tmp_path: Path, number: signal.Signals
) -> None:
    pid = tmp_path / "pid"
    script = f"sleep 1000 & echo $! >{pid}.new; mv {pid}.new {pid}; wait"
    process = shell.start(*PROGRESS, "long", "sh", "-c", script)
    while not pid.exists():
        assert process.poll() is None
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 130
    while runs(int(pid.read_text())):
        pass


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
