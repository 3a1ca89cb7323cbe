"""Large prompts and many streams, with a frontend in the process and with one of its own."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from support.api import case, wait_for_routes
from support.frontend import start_frontend
from support.ports import LOOPBACK
from support.servers import Nats
from support.streams import PROMPT
from support.system import SERVING

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.api import Api
    from support.launcher import Launcher, Server

STREAMS = 1000
CUT = 100
TOKENS = [504 + number % 20_000 for number in range(100_000)]
LONG = ("features:Long", "--model-name")


def serves_a_long_prompt(launcher: Launcher, api: Api) -> None:
    answer = api.complete(TOKENS, model="long")
    assert answer.status == 200, answer.text[:1000]
    assert answer.json["usage"]["prompt_tokens"] == len(TOKENS)
    told = json.loads(launcher.latches.reached("prompt"))
    assert told == [len(TOKENS), sum(TOKENS)]


def test_a_prompt_of_100_000_tokens(launcher: Launcher, model_folder: str) -> None:
    server = launcher.serve(*LONG, model_folder)
    serves_a_long_prompt(launcher, server.api)


@pytest.mark.frontend
@pytest.mark.parametrize("plane", ["tcp", "nats"])
def test_a_prompt_of_100_000_tokens_from_a_frontend_of_its_own(
    launcher: Launcher, model_folder: str, plane: str
) -> None:
    env = {}
    if plane == "nats":
        nats = Nats(launcher)
        nats.start()
        env["NATS_SERVER"] = nats.url
    options = ("--discovery-backend", "file", "--request-plane", plane)
    worker = launcher.command("serve", *LONG, model_folder, *options, env=env)
    worker.wait_for_line(SERVING)
    api = start_frontend(launcher, request_plane=plane, env=env)
    wait_for_routes(api, "long", PROMPT)
    launcher.latches.withdraw("prompt")
    serves_a_long_prompt(launcher, api)
    assert worker.terminate() == 0


async def streams(
    api: Api, count: int, on_begun: Callable[[], None] = lambda: None, **options: Any
) -> list[str]:
    """So many streams that are open at once: all that came on each.

    ``on_begun`` is called whenever the first text of one is there.
    """
    body = api.body_of_completion(PROMPT, stream=True, **options)
    content = json.dumps(body).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"

    # A frontend gives up a request that waits too long for its first token.
    arriving = asyncio.Semaphore(50)

    async def one() -> str:
        async with arriving:
            reader, writer = await asyncio.open_connection(LOOPBACK, api.port)
            writer.write(head.encode() + content)
            begun = await reader.readuntil(b"data: ")
        on_begun()
        try:
            return (begun + await reader.read()).decode()
        finally:
            writer.close()

    return await asyncio.gather(*(one() for _ in range(count)))


def crowd(launcher: Launcher, model_folder: str, expected: int, **env: str) -> Server:
    options = ("--model-name", model_folder, "--", str(expected))
    return launcher.serve("features:Crowd", *options, env=env)


def test_a_thousand_streams_at_once_are_each_whole(launcher: Launcher, model_folder: str) -> None:
    server = crowd(launcher, model_folder, STREAMS)
    for answer in asyncio.run(streams(server.api, STREAMS, model=server.model)):
        assert answer.count("data: [DONE]") == 1
        assert answer.count('"finish_reason":"stop"') == 1
        for word in PROMPT.split():
            assert word in answer
    assert server.process.terminate() == 0


def test_streams_that_are_cut_are_counted_and_taken_for_whole_by_nobody(
    launcher: Launcher, model_folder: str
) -> None:
    # So that all can be told within the deadline, also where others want the processors.
    server = crowd(launcher, model_folder, CUT, DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT="20")

    begun = itertools.count(1)

    def stop_when_all_have_begun() -> None:
        if next(begun) == CUT:
            server.process.send(signal.SIGTERM)

    options = {"model": server.model, **case("stay")}
    for answer in asyncio.run(streams(server.api, CUT, stop_when_all_have_begun, **options)):
        assert '"finish_reason":"stop"' not in answer
        assert "error" in answer, answer
        # The transfer is whole, though the answer is not.
        assert answer.endswith("\r\n0\r\n\r\n"), answer
    assert server.process.wait() == 3
    assert f"{CUT} requests were cut" in server.process.stderr
