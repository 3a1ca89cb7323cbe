"""A request that two workers have in turn is one trace, in which the second points at the first."""

from collections.abc import Iterator

import pytest

from support.api import text_of, wait_for_routes
from support.collector import Collector, Span
from support.frontend import start_frontend
from support.launcher import Launcher

pytestmark = pytest.mark.frontend

MODEL = "split"
PROMPT = "alpha beta gamma"
SERVICES = ("prefill", "decode")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as started:
        yield started


def test_a_decodes_span_points_at_its_prefills(
    launcher: Launcher, model_folder: str, collector: Collector
) -> None:
    workers = []
    for mode in SERVICES:
        worker = launcher.command(
            "serve",
            f"disaggregated:{mode.capitalize()}",
            *["--discovery-backend", "file", "--model-name", model_folder],
            *["--served-model-name", MODEL, "--disaggregation-mode", mode, "--component", mode],
            env=collector.env | {"OTEL_SERVICE_NAME": mode},
        )
        worker.wait_for_line("^Serving on ")
        workers.append(worker)
    api = start_frontend(launcher, env=collector.env)
    wait_for_routes(api, MODEL, PROMPT)
    answer = api.complete(PROMPT, model=MODEL)
    assert text_of(answer.json).strip() == PROMPT
    for worker in workers:
        assert worker.terminate() == 0

    last = [collected(collector, service)[-1] for service in SERVICES]
    prefill, decode = last
    assert prefill.trace_id == decode.trace_id
    assert prefill.links == []
    assert decode.links == [(prefill.trace_id, prefill.span_id)]


def collected(collector: Collector, service: str) -> list[Span]:
    """The spans of a worker's requests, in the order of their arrival."""
    return [
        span
        for span in collector.spans
        if span.service == service and span.name.startswith("text_completion")
    ]
