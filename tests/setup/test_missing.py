"""What may be missing when somebody builds for the first time: a line that says what to do."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.shell import Shell


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.rsplit("error: ", 1)[1]


def test_an_old_rust(shell: Shell) -> None:
    shell.pretend("rustc", "echo 'rustc 1.80.1 (3f5fd8dd4 2024-08-06)'")
    said = refusal(shell.call("scripts/toolchain.sh"))
    assert "Rust 1.80.1 was found: 1.95 or newer is needed" in said
    assert "rustup update stable" in said


def test_no_room_on_the_disk(shell: Shell) -> None:
    shell.pretend("df", "echo Avail; echo 700")
    shell.pretend("rustc", "echo 'rustc 99.0.0'")
    said = refusal(shell.call("scripts/toolchain.sh"))
    assert "has 700 MB left" in said
    assert "XDG_CACHE_HOME" in said


def test_a_disk_that_fills_up(shell: Shell) -> None:
    shell.pretend("df", "echo Avail; echo 3")
    done = shell.call("scripts/alone.sh", "false")
    assert "the disk" in refusal(done)
    assert "goes on where it stopped" in done.stderr


def test_a_python_that_is_too_old(shell: Shell) -> None:
    shell.pretend("python3", 'case "$1" in --version) echo Python 3.10.2;; *) exit 1;; esac')
    said = refusal(shell.call("scripts/venv.sh"))
    assert "Python 3.11 or newer is needed" in said
    assert "3.10.2" in said


def test_a_python_without_venv(shell: Shell) -> None:
    shell.pretend(
        "python3",
        'case "$*" in -m\\ venv*) echo No module named venv >&2; exit 1;; esac\n'
        f'exec {sys.base_prefix}/bin/python3 "$@"',
    )
    said = refusal(shell.call("scripts/venv.sh"))
    assert "cannot make environments" in said
    assert "make PYTHON=" in said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "make install VENV=path"),
        ("nothing-here", "is no Python environment; to make one: python3 -m venv PATH"),
    ],
)
def test_an_environment_to_install_into(
    shell: Shell, tmp_path: Path, given: str, said: str
) -> None:
    folder = str(tmp_path / given) if given else ""
    assert said in refusal(shell.call("scripts/install.sh", folder))


def test_a_second_make_waits(shell: Shell, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    subprocess.run(["mkfifo", pipe], check=True)
    with shell.start("scripts/alone.sh", "cat", str(pipe)) as first, pipe.open("w") as held:
        second = shell.start("scripts/alone.sh", "echo", "mine")
        assert second.stdout is not None
        assert second.stdout.readline() == "\n"
        assert "Another make is at work" in second.stdout.readline()
        held.write("done\n")
        held.close()
        out, _ = second.communicate(timeout=30)
        assert out.endswith("mine\n")
        assert second.returncode == 0
    assert first.returncode == 0


def test_the_lock_is_free_again_after_a_failure(shell: Shell) -> None:
    assert shell.call("scripts/alone.sh", "sh", "-c", "exit 4").returncode == 4
    assert shell.call("scripts/alone.sh", "echo", "mine").stdout == "mine\n"


def test_a_registry_that_cannot_be_reached(shell: Shell, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    shell.environment |= {
        "CARGO_HOME": str(tmp_path / "cargo"),
        "CARGO_NET_RETRY": "0",
        "CARGO_REGISTRIES_CRATES_IO_PROTOCOL": "sparse",
        "http_proxy": nowhere,
        "https_proxy": nowhere,
    }
    said = refusal(shell.call("scripts/crates.sh"))
    assert "crates could not be fetched" in said
    assert "call again" in said

