"""A sidecar behind a worker: answers, stops, and a shutdown that cuts nothing."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

from support.api import finish_reasons, read_text, text_of
from support.sidecar import serve
from support.streams import PROMPT, begin, finishes

if TYPE_CHECKING:
    from support.launcher import Launcher
    from support.sidecar import Kind

STREAMS = 3
# Seconds before each token: long enough that a signal comes before the last one.
SLOW = 1.0


def test_it_answers(launcher: Launcher, model_folder: str, kind: Kind) -> None:
    server, worker = serve(launcher, kind, model_folder)
    answer = worker.api.complete(PROMPT)
    assert answer.status == 200, answer.text
    assert text_of(answer.json).strip() == PROMPT
    usage = answer.json["usage"]
    assert usage["prompt_tokens"] == usage["completion_tokens"] > 0
    assert answer.json["choices"][0]["finish_reason"] == "stop"
    server.wait_for_line("^request ")


def test_what_was_asked_for_reaches_the_server(
    launcher: Launcher, model_folder: str, kind: Kind
) -> None:
    server, worker = serve(launcher, kind, model_folder)
    answer = worker.api.complete(PROMPT, max_tokens=2, temperature=0.25, top_p=0.5, seed=7)
    assert answer.json["choices"][0]["finish_reason"] == "length"
    assert answer.json["usage"]["completion_tokens"] == 2
    asked = json.loads(server.wait_for_line(r"^request \S+ (.*)").group(1))
    sampling = asked["samplingParams" if kind.name == "sglang" else "sampling"]
    assert (sampling["temperature"], sampling["topP"], sampling["seed"]) == (0.25, 0.5, "7")


def test_it_streams_and_chats(launcher: Launcher, model_folder: str, kind: Kind) -> None:
    _, worker = serve(launcher, kind, model_folder)
    with worker.api.stream_chat(("user", PROMPT)) as stream:
        text, chunks = read_text(stream)
    # The prompt comes back to its first end-of-turn: in front of it is the template's own.
    assert "SmolLM" in text
    assert finish_reasons(chunks) == ["stop"]


def test_a_client_that_leaves_has_the_server_stop(
    launcher: Launcher, model_folder: str, kind: Kind
) -> None:
    server, worker = serve(launcher, kind, model_folder, delay=SLOW)
    with ExitStack() as stack:
        stream, _ = begin(stack, worker.api)
        stream.leave()
        left = server.wait_for_line(r"^dropped (\S+)").group(1)
        assert server.wait_for_line(r"^abort (\S+)").group(1) == left
    # Another is served as before.
    with ExitStack() as stack:
        finishes(*begin(stack, worker.api))


def test_sigterm_cuts_no_stream(launcher: Launcher, model_folder: str, kind: Kind) -> None:
    server, worker = serve(launcher, kind, model_folder, delay=SLOW)
    with ExitStack() as stack:
        streams = [begin(stack, worker.api) for _ in range(STREAMS)]
        worker.process.send(signal.SIGTERM)
        worker.process.wait_for_line(f"waiting for {STREAMS} requests in flight")
        for stream, first in streams:
            finishes(stream, first)
    assert worker.process.wait() == 0, worker.process.describe()
    worker.process.wait_for_line(f"drained: {STREAMS} requests finished, none was cut")
    assert server.alive
    assert not [line for line in server.lines if line.startswith(("abort", "dropped"))]


def test_its_log_is_the_workers(launcher: Launcher, model_folder: str, kind: Kind) -> None:
    _, worker = serve(launcher, kind, model_folder, env={"DYN_LOG": "info"})
    worker.process.wait_for_line("sidecar started|gRPC is ready")
    assert worker.process.terminate() == 0
    worker.process.wait_for_line("sidecar shutdown complete")
