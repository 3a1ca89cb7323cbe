"""Requests beyond the limit wait at the worker, where a shutdown sees them."""

import signal
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from support.api import text_of
from support.launcher import Launcher, Server
from support.metrics import sample
from support.processes import until
from support.streams import PROMPT, begin, finishes
from support.system import System

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.api import Reply, Stream

IN_FLIGHT = "dynamo_component_worker_requests_in_flight"
REFUSED = "dynamo_component_worker_requests_refused_total"
ERRORS = "dynamo_component_worker_request_errors_total{"
REQUESTS = 6


@contextmanager
def one_at_a_time(
    launcher: Launcher, model_folder: str, timeout: int
) -> "Iterator[tuple[Server, tuple[Stream, str], list[Future[Reply]]]]":
    """A server, the stream that has its turn, and the requests that wait for theirs."""
    env = {
        "DYN_ENGINE_REQUEST_LIMIT": "1",
        "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": str(timeout),
    }
    server = launcher.serve("lifecycles:Gated", "--model-name", model_folder, env=env)
    metrics = System(server.api.port)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(REQUESTS))
        first = begin(stack, server.api)
        rest = [pool.submit(server.api.complete, PROMPT) for _ in range(REQUESTS - 1)]
        until(
            lambda: sample(metrics.get("/metrics").text, IN_FLIGHT) == REQUESTS,
            "the worker has all requests",
        )
        yield server, first, rest


def test_section_12_2_requests_that_wait_for_their_turn_are_answered(
    launcher: Launcher, model_folder: str
) -> None:
    with one_at_a_time(launcher, model_folder, timeout=60) as (server, first, rest):
        server.process.send(signal.SIGTERM)
        server.process.wait_for_line(f"waiting for {REQUESTS} requests in flight")
        launcher.latches.release("go")
        finishes(*first)
        for future in rest:
            reply = future.result()
            assert reply.status == 200, reply.text
            assert text_of(reply.json).strip() == PROMPT
    assert server.process.wait() == 0
    server.process.wait_for_line(f"drained: {REQUESTS} requests finished, none was cut")


def test_section_12_2_requests_whose_turn_never_comes_are_counted_as_cut(
    launcher: Launcher, model_folder: str
) -> None:
    with one_at_a_time(launcher, model_folder, timeout=6) as (server, (stream, _), rest):
        server.process.send(signal.SIGTERM)
        assert all(future.result().status != 200 for future in rest)
        list(stream.events())
        assert server.process.wait() == 3
    assert f"{REQUESTS} requests were cut" in server.process.stderr
    assert launcher.latches.is_reached("cleanup")


@pytest.mark.parametrize(
    ("options", "env"),
    [
        ([], {"DYN_ENGINE_REQUEST_LIMIT": "1", "DYN_DYNAMO_REQUEST_QUEUE_LIMIT": "0"}),
        (["--max-concurrent-requests", "1", "--max-queued-requests", "0"], {}),
    ],
    ids=["variables", "options"],
)
def test_who_finds_no_place_to_wait_is_refused(
    launcher: Launcher, model_folder: str, options: list[str], env: dict[str, str]
) -> None:
    system = System(launcher.ports.reserve())
    env = env | {"DYN_SYSTEM_PORT": str(system.port)}
    server = launcher.serve("lifecycles:Gated", "--model-name", model_folder, *options, env=env)
    assert "reason" not in system.get("/health").text
    with ExitStack() as stack:
        stream = begin(stack, server.api)
        refused = server.api.complete(PROMPT)
        assert refused.status in (503, 529), refused.text
        assert sample(system.get("/metrics").text, REFUSED) == 1
        health = system.get("/health")
        # A busy pod is not to leave discovery.
        assert health.status == 200
        assert "as many requests as it may have at a time (1, " in health.text
        launcher.latches.release("go")
        finishes(*stream)
    until(lambda: server.api.complete(PROMPT).status == 200, "there is room again")
    assert "reason" not in system.get("/health").text
    # Nobody who was refused finished.
    assert server.process.terminate() == 0
    server.process.wait_for_line("drained: 0 requests finished, none was cut")


def test_whose_turn_does_not_come_in_time_is_refused(launcher: Launcher, model_folder: str) -> None:
    options = ["--max-concurrent-requests", "1", "--max-queued-seconds", "0.5"]
    server = launcher.serve("lifecycles:Gated", "--model-name", model_folder, *options)
    with ExitStack() as stack:
        stream = begin(stack, server.api)
        refused = server.api.complete(PROMPT)
        assert refused.status in (503, 529), refused.text
        metrics = System(server.api.port).get("/metrics").text
        assert sample(metrics, REFUSED) == 1
        # It failed nobody: another worker takes it.
        errors = [line for line in metrics.splitlines() if line.startswith(ERRORS)]
        assert errors
        assert all(line.endswith(" 0") for line in errors)
        launcher.latches.release("go")
        finishes(*stream)
    assert server.process.terminate() == 0
    server.process.wait_for_line("drained: 0 requests finished, none was cut")
