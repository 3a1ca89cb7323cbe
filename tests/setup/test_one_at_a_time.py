"""One `make` works in the cache folder at a time, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from support.shell import Shell


def test_a_second_make_waits(shell: Shell, tmp_path: Path) -> None:
    pipe, order = tmp_path / "pipe", tmp_path / "order"
    os.mkfifo(pipe)
    held = f"cat {pipe}; echo first >>{order}"
    with shell.start("scripts/alone.sh", "sh", "-c", held) as first:
        with pipe.open("w"):
            second = shell.start("scripts/alone.sh", "sh", "-c", f"echo second >>{order}")
            assert second.stdout is not None
            assert second.stdout.readline() == "\n"
            assert "Another make is at work" in second.stdout.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(1)
        assert second.wait(30) == 0
        second.communicate()
    assert first.returncode == 0
    assert order.read_text() == "first\nsecond\n"


def test_a_second_make_waits_for_what_a_killed_one_has_started(
    shell: Shell, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    shell.environment["LOGS"] = str(tmp_path)
    started = ("python3", "scripts/progress.py", "job", "sh", "-c", f"exec cat {pipe}")
    with shell.start("scripts/alone.sh", "bash", "-c", f"echo $$; exec {quoted(started)}") as first:
        assert first.stdout is not None
        with pipe.open("w"):
            os.kill(int(first.stdout.readline()), signal.SIGKILL)
            first.kill()
            second = shell.start("scripts/alone.sh", "true")
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(1)
        assert second.wait(30) == 0
        second.communicate()


def quoted(words: tuple[str, ...]) -> str:
    return " ".join(f"'{word}'" for word in words)


def test_the_lock_is_free_again_after_a_failure(shell: Shell) -> None:
    assert shell.call("scripts/alone.sh", "sh", "-c", "exit 4").returncode == 4
    again = shell.call("scripts/alone.sh", "echo", "mine")
    assert again.stdout == "mine\n"


def test_cleaning_keeps_the_lock_that_others_wait_for(shell: Shell) -> None:
    assert shell.call("scripts/alone.sh", "true").returncode == 0
    folder = shell.cache / "dynamo-backend-common"
    (folder / "target").mkdir()
    before = (folder / "lock").stat().st_ino
    assert shell.call("make", "clean").returncode == 0
    assert [path.name for path in folder.iterdir()] == ["lock"]
    assert (folder / "lock").stat().st_ino == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_in_any_step_it_says_that_the_next_call_goes_on(
    shell: Shell, number: signal.Signals
) -> None:
    # What is ignored from the beginning, as under nohup, no script can take.
    command = ("env", "--default-signal", "scripts/alone.sh")
    with shell.start(*command, "sh", "-c", "echo begun; exec sleep 1000") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        # As Ctrl-C and a closed terminal do: to all of the group.
        subprocess.run(["pkill", f"-{number.value}", "-P", str(process.pid)], check=True)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "goes on where this one stopped" in err
