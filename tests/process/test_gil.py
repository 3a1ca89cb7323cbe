"""A request to a Rust engine needs no GIL: it completes while Python code in C holds it."""

import json
import os
import time
from pathlib import Path

import pytest

from support.api import Api, read_text, text_of
from support.launcher import Launcher
from support.processes import until

PROMPT = "alpha beta gamma"


def wait_until_reading(pid: int, thread: int, descriptor: int) -> None:
    """Waits until the thread is in the kernel, in a call on the descriptor: it has the GIL then."""

    def reading() -> bool:
        call = Path(f"/proc/{pid}/task/{thread}/syscall").read_text().split()
        return len(call) > 1 and int(call[1], 16) == descriptor

    until(reading, "the thread reads")


@pytest.mark.parametrize("log", ["stderr", "logging"])
def test_a_request_to_the_rust_engine_completes_while_the_gil_is_held(
    launcher: Launcher, model_folder: str, log: str
) -> None:
    port = launcher.ports.reserve()
    fifo = launcher.folder / "release"
    os.mkfifo(fifo)
    program = launcher.script("hold_the_gil", str(port), model_folder, str(fifo), log)
    program.wait_for_line("state Serving")
    api = Api(port)
    [model] = api.models()

    launcher.latches.release("hold")
    held = json.loads(launcher.latches.reached("holding"))
    wait_until_reading(program.pid, held["thread"], held["descriptor"])

    answer = api.complete(PROMPT, model=model)
    with api.stream_chat(("system", PROMPT), model=model) as stream:
        streamed, _ = read_text(stream)

    # Whoever let go of the GIL before would have let the thread say so.
    assert not launcher.latches.is_reached("released")
    wait_until_reading(program.pid, held["thread"], held["descriptor"])
    if log == "logging":
        # Of both requests; Python has not seen any of it.
        written = len(program.lines)
        before_release = time.time()
        fifo.write_bytes(b"!")
        for _ in range(2):
            seen = program.wait_for_line(r"^record (\S+) http response sent", since=written)
            assert float(seen.group(1)) < before_release
    else:
        fifo.write_bytes(b"!")
    launcher.latches.reached("released")

    assert text_of(answer.json).strip() == PROMPT
    assert PROMPT in streamed
    assert program.terminate() == 0
