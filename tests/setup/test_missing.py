"""What may be missing when somebody builds for the first time: a line that says what to do."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

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


@pytest.mark.parametrize(
    ("built", "free", "enough"),
    [
        (0, 7999, False),
        (0, 8001, True),
        (5000, 2999, False),
        (5000, 3100, True),
        (9000, 700, False),
    ],
)
def test_room_on_the_disk_for_what_is_not_built_yet(
    shell: Shell, built: int, free: int, enough: bool
) -> None:
    shell.pretend("du", f"echo {built}")
    shell.pretend("df", f"echo Avail; echo {free}")
    shell.pretend("rustc", "echo 'rustc 99.0.0'")
    done = shell.call("scripts/toolchain.sh")
    if enough:
        assert done.returncode == 0
    else:
        said = refusal(done)
        assert f"has {free} MB left" in said
        assert "XDG_CACHE_HOME" in said


@pytest.mark.parametrize("free", [3, 5000])
def test_a_disk_that_fills_up(shell: Shell, free: int) -> None:
    shell.pretend("df", f"echo Avail; echo {free}")
    # What was half written is gone again, and the room is back: then the log tells.
    told = "mkdir -p $LOGS; echo No space left on device >$LOGS/crates.log; exit 5"
    done = shell.call("scripts/alone.sh", "sh", "-c", "exit 5" if free == 3 else told)
    assert "the disk" in refusal(done)
    assert "goes on where it stopped" in done.stderr


def test_another_failure_is_not_said_to_be_the_disk(shell: Shell) -> None:
    done = shell.call("scripts/alone.sh", "sh", "-c", "exit 5")
    assert done.returncode == 5
    assert done.stderr == ""


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
def test_an_environment_to_install_into_is_looked_at_before_the_build(
    shell: Shell, tmp_path: Path, given: str, said: str
) -> None:
    folder = str(tmp_path / given) if given else ""
    done = shell.call("make", "install", f"VENV={folder}")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Compiling" not in done.stdout


def test_the_port_of_the_demo_is_looked_at_before_the_build(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = shell.call("make", "demo", f"PORT={server.getsockname()[1]}")
    assert done.returncode == 2
    assert "is in use; choose another: make demo PORT=9000" in done.stderr
    assert "Compiling" not in done.stdout


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
        ("scripts/vllm-env.sh", "uv could not be fetched"),
    ],
)
def test_a_registry_that_does_not_answer(registries: Shell, script: str, what: str) -> None:
    said = refusal(registries.call(script))
    assert what in said
    assert "call again later: what has arrived is kept" in said
