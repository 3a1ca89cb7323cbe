"""What surrounds a worker: the interpreter's options, proxies, addresses, names, descriptors."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from support.api import Api, text_of
from support.launcher import COMMAND, ENGINES
from support.listening import listening
from support.ports import LOOPBACK
from support.processes import until
from support.streams import PROMPT, begin, finishes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.launcher import Launcher
    from support.processes import Process


def answers(api: Api) -> None:
    answer = api.complete(PROMPT)
    assert (answer.status, text_of(answer.json).strip()) == (200, PROMPT)


def serves_and_ends(launcher: Launcher, process: Process, port: int) -> None:
    process.wait_for_line(r"^Serving \S+ on http")
    answers(Api(port))
    assert process.terminate() == 0
    for word in ("Traceback", "Warning"):
        assert word not in process.output


@pytest.mark.parametrize(
    "options", [("-O",), ("-OO",), ("-X", "dev", "-W", "error"), ("-X", "utf8=0")], ids=" ".join
)
def test_the_interpreters_options_change_nothing(
    launcher: Launcher, model_folder: str, options: tuple[str, ...]
) -> None:
    python, *rest = COMMAND
    port = launcher.ports.reserve()
    served = ("serve", "plain:Plain", "--http-port", str(port), "--model-name", model_folder)
    process = launcher.start(python, *options, *rest, *served)
    serves_and_ends(launcher, process, port)


@pytest.mark.parametrize(
    "env", [{"LC_ALL": "C", "LANG": "C"}, {"PYTHONIOENCODING": "ascii"}], ids=["C", "ascii"]
)
def test_a_terminal_without_unicode_changes_nothing(
    launcher: Launcher, model_folder: str, env: Mapping[str, str]
) -> None:
    port = launcher.ports.reserve()
    options = ("--http-port", str(port), "--model-name", model_folder)
    named = ("--served-model-name", "modèle")
    process = launcher.command("serve", "plain:Plain", *options, *named, env=env)
    serves_and_ends(launcher, process, port)


def test_proxies_are_not_asked_for_what_is_on_this_machine(
    launcher: Launcher, model_folder: str
) -> None:
    # Somebody listens there, and says nothing.
    proxy = f"http://{LOOPBACK}:{launcher.ports.occupy()}"
    env = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"), proxy)
    server = launcher.serve("plain:Plain", "--model-name", model_folder, env=env)
    answers(server.api)
    assert server.process.terminate() == 0


def test_a_folder_whose_name_is_not_utf_8(launcher: Launcher, model_folder: str) -> None:
    folder = launcher.folder / os.fsdecode(b"mod\xe8le")
    shutil.copytree(Path(model_folder), folder)
    port = launcher.ports.reserve()
    options = ("--http-port", str(port), "--model-name", str(folder))
    process = launcher.command("serve", "lifecycles:Recorded", *options)
    # No frontend could find it: a card is JSON.
    assert process.wait() == 2
    [error] = process.stderr.splitlines()
    assert error.startswith("dynamo-backend: error: --model-name: '")
    assert "has bytes that are not UTF-8" in error
    assert not launcher.latches.is_reached("start")


def test_a_current_folder_and_an_engine_argument_that_are_not_utf_8(
    launcher: Launcher, model_folder: str
) -> None:
    folder = launcher.folder / os.fsdecode(b"mod\xe8le")
    folder.mkdir()
    (folder / "named.py").write_text(
        "import os\nfrom plain import Plain\n\n\nclass Named(Plain):\n"
        "    @classmethod\n    def from_args(cls, argv):\n"
        "        print('given', os.fsencode(argv[0]).hex(), flush=True)\n        return cls()\n"
    )
    port = launcher.ports.reserve()
    options = ("--http-port", str(port), "--model-name", model_folder)
    process = launcher.command(
        *("serve", "named:Named", *options, "--", os.fsdecode(b"\xff")),
        cwd=folder,
        env={"PYTHONPATH": str(ENGINES)},
    )
    process.wait_for_line("^given ff$")
    serves_and_ends(launcher, process, port)


def ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as found:
        try:
            found.bind(("::1", 0))
        except OSError:
            return False
    return True


@pytest.mark.skipif(not ipv6(), reason="this machine has no IPv6")
def test_ipv6_for_the_frontend_the_system_server_and_the_request_plane(
    launcher: Launcher, model_folder: str
) -> None:
    with socket.socket(socket.AF_INET6) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("::1", 0))
        port = held.getsockname()[1]
        process = launcher.command(
            *("serve", "plain:Plain", "--model-name", model_folder),
            *("--http-host", "::1", "--http-port", str(port)),
            env={
                "DYN_SYSTEM_HOST": "::1",
                "DYN_SYSTEM_PORT": "0",
                "DYN_TCP_RPC_HOST": "::1",
                "DYN_TCP_RESPONSE_STREAM_HOST": "::1",
            },
        )
        url = process.wait_for_line(r"^Serving \S+ on (http://\[::1\]:\d+/v1)").group(1)
        assert process.wait_for_line(r"System server on http://\[::1\]:\d+")
        assert {address for address, _ in listening(process.pid)} == {"::1"}
        body = json.dumps({"model": "plain", "prompt": PROMPT}).encode()
        request = Request(f"{url}/completions", body, {"Content-Type": "application/json"})
        with build_opener(ProxyHandler({})).open(request) as answer:
            assert text_of(json.load(answer)).strip() == PROMPT
        assert process.terminate() == 0
        assert "TCP_NODELAY" not in process.output


def test_a_worker_that_runs_out_of_descriptors_serves_again_and_ends_well(
    launcher: Launcher, model_folder: str
) -> None:
    port = launcher.ports.reserve()
    served = ("serve", "plain:Plain", "--http-port", str(port), "--model-name", model_folder)
    limited = ["sh", "-c", 'ulimit -n 160; exec "$@"', "sh"]
    process = launcher.start(*limited, *COMMAND, *served)
    process.wait_for_line(r"^Serving \S+ on http")
    api = Api(port)
    answers(api)
    with ExitStack() as held:
        for _ in range(200):
            held.enter_context(socket.create_connection((LOOPBACK, port)))
        process_fds = Path(f"/proc/{process.pid}/fd")
        until(lambda: len(list(process_fds.iterdir())) >= 159, "there are no descriptors left")
    # hyper's listener waits a second after such an error.
    until(lambda: _is_answered(api), "requests are answered again")
    assert process.terminate() == 0


def _is_answered(api: Api) -> bool:
    try:
        return api.complete(PROMPT, model="plain").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_an_engine_with_a_process_of_its_own(
    launcher: Launcher, model_folder: str, method: str
) -> None:
    server = launcher.serve("spawning:Engine", "--model-name", model_folder, "--", method)
    answers(server.api)
    assert server.process.terminate() == 0
    assert launcher.latches.reached("child-ended") == "0"
    # The command line ran once, not in the child again.
    assert server.process.output.count("Serving plain on http") == 1


def test_section_12_1_a_second_ctrl_c_within_a_second_is_the_same_keypress(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("lifecycles:Gated", "--model-name", model_folder)
    with ExitStack() as stack:
        stream, first = begin(stack, server.api)
        server.process.send(signal.SIGINT)
        time.sleep(0.05)
        server.process.send(signal.SIGINT)
        server.process.wait_for_line("waiting for 1 requests in flight")
        launcher.latches.release("go")
        finishes(stream, first)
    assert server.process.wait() == 0
    assert launcher.latches.is_reached("cleanup")
