"""The sidecar of vLLM, with vLLM's own gRPC server."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from support.api import Api, failed, finish_reasons, read_text, wait_for_routes
from support.endpoint import ask
from support.frontend import start_frontend
from support.processes import until
from support.sidecar import FOUND
from support.system import SERVING, System
from support.tiny_model import BLOCK, CONTEXT, MODEL
from support.vllm_server import VllmServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.launcher import Launcher, Server
    from support.processes import Process

pytestmark = pytest.mark.timeout(900)

PROMPT = [*range(100, 100 + 3 * BLOCK), 5]
LONG = {"max_tokens": 150, "ignore_eos": True}
STREAMS = 4


@pytest.fixture(scope="module")
def server(shared: Launcher) -> Iterator[VllmServer]:
    started = VllmServer(shared)
    try:
        started.wait()
        yield started
    finally:
        started.kill()


def arguments(server: VllmServer, *arguments: str) -> list[str]:
    return ["--", "--grpc-endpoint", f"127.0.0.1:{server.grpc}", *arguments]


def serve(launcher: Launcher, server: VllmServer, *options: str) -> Server:
    """A worker with the frontend in its process, and a name for the model from the operator."""
    own = ["--served-model-name", "tiny", *options, *arguments(server)]
    return launcher.serve("dynamo_sidecars:vllm", *own, env=FOUND)


@pytest.fixture(scope="module")
def served(shared: Launcher, server: VllmServer) -> Server:
    return serve(shared, server)


def test_it_answers_as_vllm_does_by_itself(server: VllmServer, served: Server) -> None:
    asked = {"max_tokens": 12, "temperature": 0, "ignore_eos": True}
    answer = served.api.complete(PROMPT, **asked)
    assert answer.status == 200, answer.text
    own = Api(server.http).complete(PROMPT, model=str(MODEL), **asked)
    assert own.status == 200, own.text
    assert answer.json["choices"][0]["text"].split() == own.json["choices"][0]["text"].split()
    assert answer.json["usage"]["prompt_tokens"] == len(PROMPT)
    assert answer.json["usage"]["completion_tokens"] == 12
    assert answer.json["choices"][0]["finish_reason"] == "length"


def test_a_client_that_leaves_has_vllm_stop(server: VllmServer, served: Server) -> None:
    with served.api.stream_completion(PROMPT, **LONG) as stream:
        assert stream.first_text()
        assert server.running() == 1
        stream.leave()
    server.becomes_idle()
    assert served.process.alive


def test_sigterm_cuts_no_stream(launcher: Launcher, server: VllmServer) -> None:
    worker = serve(launcher, server)
    with ExitStack() as stack:
        streams = [
            stack.enter_context(worker.api.stream_completion(PROMPT, **LONG))
            for _ in range(STREAMS)
        ]
        for stream in streams:
            stream.first_text()
        worker.process.send(signal.SIGTERM)
        for stream in streams:
            _, chunks = read_text(stream)
            assert finish_reasons(chunks) == ["length"]
    assert worker.process.wait() == 0, worker.process.describe()
    worker.process.wait_for_line("drained: .* none was cut")


@pytest.fixture(scope="module")
def routed(shared: Launcher, server: VllmServer) -> Iterator[tuple[Process, System, Api, Launcher]]:
    """A worker behind Dynamo's own frontend, which routes by KV events."""
    port = shared.ports.reserve()
    worker = shared.command(
        *("serve", "vllm-sidecar", "--discovery-backend", "file", "--served-model-name", "routed"),
        *arguments(server),
        env={**FOUND, "DYN_SYSTEM_PORT": str(port)},
    )
    worker.wait_for_line(SERVING)
    api = start_frontend(shared, "--router-mode", "kv")
    wait_for_routes(api, "routed", PROMPT[:4])
    yield worker, System(port), api, shared
    assert worker.terminate() == 0, worker.describe()


def test_a_router_hears_of_vllms_cache(
    routed: tuple[Process, System, Api, Launcher],
) -> None:
    _, _, api, launcher = routed
    prompt = [token + 1 for token in PROMPT]

    def hit_rate() -> float:
        asked = {"max_tokens": 1, "nvext": {"extra_fields": ["timing"]}}
        answer = api.complete(prompt, model="routed", **asked)
        assert answer.status == 200, answer.text
        rate: float = answer.json["nvext"]["timing"]["kv_hit_rate"]
        return rate

    # Past the router, which hears of it by vLLM's events alone.
    [answer] = ask(launcher, {"token_ids": prompt, "stop_conditions": {"max_tokens": 1}})
    assert not isinstance(answer, str), answer
    until(lambda: hit_rate() == 3 / 4, "the router has heard of the prompt's blocks")


def test_log_probabilities_come_with_it(
    routed: tuple[Process, System, Api, Launcher],
) -> None:
    launcher = routed[-1]
    request = {
        "token_ids": PROMPT,
        "stop_conditions": {"max_tokens": 3, "ignore_eos": True},
        "output_options": {"logprobs": 2},
    }
    [answer] = ask(launcher, request)
    assert not isinstance(answer, str), answer
    assert len([value for chunk in answer for value in chunk["log_probs"] or ()]) == 3
    assert all(len(place) >= 2 for chunk in answer for place in chunk["top_logprobs"] or ())


def test_what_vllm_refuses_is_told_as_it_said_it(
    routed: tuple[Process, System, Api, Launcher],
) -> None:
    [answer] = ask(routed[-1], {"token_ids": [10**6], "stop_conditions": {"max_tokens": 1}})
    assert isinstance(answer, str), answer
    assert "out of vocabulary" in answer


def test_the_card_says_what_vllm_says(routed: tuple[Process, System, Api, Launcher]) -> None:
    _, _, api, _ = routed
    [model] = [each for each in api.get("models").json["data"] if each["id"] == "routed"]
    assert model["context_window"] == CONTEXT


def test_streams_end_with_an_error_when_vllm_dies(launcher: Launcher, server: VllmServer) -> None:
    worker = serve(launcher, server)
    with worker.api.stream_completion(PROMPT, **LONG) as stream:
        assert stream.first_text()
        server.kill()
        assert failed(list(stream.events()))
    assert worker.api.complete(PROMPT).status >= 500
    assert worker.process.terminate() == 0, worker.process.describe()
