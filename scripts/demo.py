"""Serves a small language model, asks what the server suggests, and goes on until Ctrl-C.

The argument is the port. With ``DEMO_EXIT=1`` in the environment it ends after the answer.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ask import AskError, answer


def main() -> int:
    """Runs the demonstration; returns the server's exit status."""
    port = sys.argv[1]
    program = str(Path(sys.executable).with_name("dynamo-backend"))
    command = [program, "serve", "llama-cpp", "--http-port", port]
    with _own_terminal(), _served(command) as server:
        return _show(server, f"http://127.0.0.1:{port}/v1")


def _show(server: subprocess.Popen[str], url: str) -> int:
    assert server.stdout is not None
    for line in server.stdout:
        print(line, end="", flush=True)
        if not line.startswith("curl "):
            continue
        if not _ask(url, json.loads(shlex.split(line)[-1])):
            server.terminate()
            server.wait()
            return 1
        if os.environ.get("DEMO_EXIT") == "1":
            server.send_signal(signal.SIGINT)
        else:
            print("The server goes on: the curl line above, in another terminal, asks the same.")
            print("Ctrl-C ends it.", flush=True)
    return server.wait()


def _ask(url: str, body: dict[str, Any]) -> bool:
    question = body["messages"][0]["content"]
    print(f"\nQuestion: {question}\nAnswer:   ", end="", flush=True)
    try:
        for piece in answer(url, body):
            print(piece, end="", flush=True)
    except AskError as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return False
    print("\n", flush=True)
    return True


@contextmanager
def _served(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The server, told to shut down when this program is told to end."""
    # What is seen is the answer; without a terminal the server would log every request.
    environment = {"DYN_LOG": "error"} | os.environ
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        for number in (signal.SIGINT, signal.SIGTERM):
            # Ctrl-C reaches the server by itself, and a SIGTERM more changes nothing.
            signal.signal(number, lambda *_: server.terminate())
        yield server


@contextmanager
def _own_terminal() -> Iterator[None]:
    """Takes Ctrl-C for this program alone: ``make`` would end as interrupted, whatever we do."""
    if not sys.stdin.isatty() or os.tcgetpgrp(0) != os.getpgrp():
        yield
        return
    others = os.getpgrp()
    os.setpgid(0, 0)
    _to_foreground(os.getpid())
    # The shell would not learn that a group which it does not know has stopped.
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        yield
    finally:
        _to_foreground(others)


def _to_foreground(group: int) -> None:
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.tcsetpgrp(0, group)
    signal.signal(signal.SIGTTOU, before)


if __name__ == "__main__":
    sys.exit(main())
