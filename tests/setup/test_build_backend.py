"""`pip install .`: it says what it will take before it starts, and what is missing."""

import os
import pty
import shutil
import sys
from pathlib import Path

import pytest

from support.shell import ROOT, Shell

BUILD = (
    "import sys; sys.path.insert(0, 'packaging'); import build_backend; "
    "build_backend.build_wheel('wheels')"
)


@pytest.fixture
def tools(shell: Shell) -> Shell:
    """A path with what a build needs, and a maturin that fails at once."""
    for name in ("cargo", "c++", "cmake", "pkg-config", "protoc"):
        shell.pretend(name, "exit 0")
    shell.pretend("maturin", "echo BUILDING; exit 9")
    shell.environment["PATH"] = f"{shell.bin}:/nowhere"
    return shell


def test_what_is_missing_ends_it_before_it_begins(tools: Shell) -> None:
    (tools.bin / "protoc").unlink()
    done = tools.call(sys.executable, "-c", BUILD)
    assert done.returncode == 1
    assert "error: not found: protoc (Debian: protobuf-compiler)" in done.stderr
    assert "BUILDING" not in done.stdout
    assert "Traceback" not in done.stderr


def test_the_terminal_is_told_first(tools: Shell) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        # As pip has it: what a build prints is not for the user.
        for number in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        os.execve(sys.executable, [sys.executable, "-c", BUILD], tools.environment)
    shown = b""
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        while piece := read(screen.fileno()):
            shown += piece
    os.waitpid(pid, 0)
    assert b"half an hour on\r\n2 cores" in shown
    assert b"make install VENV=path" in shown


def read(number: int) -> bytes:
    try:
        return os.read(number, 1000)
    except OSError:  # Linux says so when the other end is closed.
        return b""


def test_without_a_terminal_the_log_is_told(tools: Shell, tmp_path: Path) -> None:
    told = tools.call(str(shutil.which("setsid")), "--wait", sys.executable, "-c", BUILD)
    assert "half an hour on" in told.stderr
