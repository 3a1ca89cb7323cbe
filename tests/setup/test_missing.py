"""What may be missing when somebody builds for the first time: a line that says what to do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

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


@pytest.fixture(params=["closed", "silent"])
def registries(request: pytest.FixtureRequest, shell: Shell) -> Iterator[Shell]:
    """Every registry is behind a port where nobody listens, or nobody answers."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        if request.param == "silent":
            port.listen()
        address = f"http://127.0.0.1:{port.getsockname()[1]}"
        shell.environment |= {
            "CARGO_HOME": str(shell.cache / "cargo"),
            "CARGO_HTTP_TIMEOUT": "1",
            "CARGO_NET_RETRY": "0",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DEFAULT_TIMEOUT": "1",
            "PIP_FIND_LINKS": "",
            "PIP_RETRIES": "0",
            "http_proxy": address,
            "https_proxy": address,
        }
        yield shell


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("scripts/crates.sh", "crates could not be fetched"),
        ("scripts/interop-venv.sh", "what ai-dynamo==1.6.1 needs could not be fetched"),
    ],
)
def test_a_registry_that_does_not_answer(registries: Shell, script: str, what: str) -> None:
    said = refusal(registries.call(script))
    assert what in said
    assert "What has arrived is kept: call again" in said
