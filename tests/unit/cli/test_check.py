"""``dynamo-backend check``: what it prints, its exit statuses, and what it refuses."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dynamo_backend_common.cli import main
from dynamo_backend_common.testing import CHECKS

if TYPE_CHECKING:
    from pathlib import Path

CHECK = ("check", "waiting:Waiting", "--timeout", "600")
FEW = ("--requests", "17", "--timeout", "5")


def test_an_engine_that_passes(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "support.good_engines:Good", *FEW]) == 0

    *lines, last = capfd.readouterr().out.splitlines()
    assert tuple(line.split()[1].removesuffix(":") for line in lines) == CHECKS
    assert last == f"Good: {len(CHECKS) - 1} passed, 0 failed, 1 skipped"


def test_one_that_fails(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "support.wrong_engines:CleansUpOnce", *FEW]) == 1

    out = capfd.readouterr().out
    assert "failed  cleanup_twice: the second one raised RuntimeError: closed already" in out
    assert "        mend: in cleanup, clear" in out
    assert "1 failed" in out.splitlines()[-1]


def test_a_bundled_engine_with_options_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "echo", *FEW, "--", "--model", "mine"]) == 0
    assert "passed  start" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--requests", "0"], "--requests: '0' is no number of requests, 1 or more"),
        (["--timeout", "nan"], "--timeout: 'nan' is no number of seconds above 0"),
        (["--request", "3"], "unknown option '--request'; did you mean --requests?"),
    ],
)
def test_what_it_refuses(argv: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "echo", *argv]) == 2
    assert said in capfd.readouterr().err


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def __init__(self, layers): ...", "cannot be made without 'layers'; write a classmethod"),
        ("def configur(self): ...", "a method configur, which the worker does not call"),
    ],
)
def test_an_engine_that_cannot_be_is_bad_usage(
    folder: Path, body: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    code = f"from support.good_engines import Good\nclass Mine(Good):\n    {body}\n"
    (folder / "wanting.py").write_text(code)
    sys.modules.pop("wanting", None)
    assert main(["check", "wanting:Mine", *FEW]) == 2
    err = capfd.readouterr().err
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_check_that_is_interrupted_did_not_pass(folder: Path, number: signal.Signals) -> None:
    (folder / "waiting.py").write_text(
        "from support.good_engines import Good\n"
        "class Waiting(Good):\n"
        "    async def start(self, worker_id):\n"
        "        print('waits', flush=True)\n"
        "        import asyncio\n"
        "        await asyncio.Event().wait()\n"
    )
    program = (
        "import sys; sys.path[:0] = sys.argv.pop(1).split(':');"
        " from dynamo_backend_common.cli import main; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, ":".join(sys.path), *CHECK],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    assert process.stdout is not None
    with process, process.stdout:
        while "waits" not in process.stdout.readline():
            pass
        process.send_signal(number)
        assert process.wait(60) != 0
