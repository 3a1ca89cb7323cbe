"""Traces: an engine is told of its request's, and the request's span is exported by OTLP."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.api import Api, case, text_of, wait_for_model
from support.collector import Collector, Span
from support.frontend import start_frontend
from support.launcher import Launcher, Server
from support.tls import certificates

PROMPT = "alpha beta gamma"
TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENT = "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{CLIENT}-01"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as started:
        yield started


def serve(launcher: Launcher, model_folder: str, **env: str) -> Server:
    return launcher.serve("traced:Traced", "--model-name", model_folder, env=env)


def of_request(span: Span) -> bool:
    return span.name.startswith("text_completion")


def spans_of(collector: Collector, trace: str = TRACE) -> tuple[Span, dict[str, Span]]:
    """The one span of a request, and all of its trace by their ids."""
    [request] = [span for span in collector.spans if of_request(span) and span.trace_id == trace]
    return request, {span.span_id: span for span in collector.spans if span.trace_id == trace}


def told(launcher: Launcher, case: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(launcher.latches.reached(f"trace-{case}"))
    return answer


def test_a_request_has_one_span_which_the_end_of_the_process_flushes(
    launcher: Launcher, model_folder: str, collector: Collector
) -> None:
    server = serve(launcher, model_folder, OTEL_SERVICE_NAME="unit", **collector.env)
    answer = Api(server.api.port, HEADERS).complete(PROMPT, max_tokens=33).json
    # Nobody waited for the exporter's own time.
    assert server.process.terminate() == 0

    span, trace = spans_of(collector)
    assert span.service == "unit"
    assert span.name == f"text_completion {server.model}"
    assert not span.failed
    attributes = span.attributes
    assert attributes.pop("gen_ai.response.time_to_first_chunk") > 0
    assert attributes == {
        "gen_ai.operation.name": "text_completion",
        "gen_ai.provider.name": "dynamo",
        "gen_ai.request.model": server.model,
        "gen_ai.request.max_tokens": 33,
        "gen_ai.usage.input_tokens": answer["usage"]["prompt_tokens"],
        "gen_ai.usage.output_tokens": answer["usage"]["completion_tokens"],
        "gen_ai.response.finish_reasons": ["stop"],
        "request_id": told(launcher)["id"],
    }
    # Below the runtime's own, which is the client's descendant.
    assert trace[span.parent_id].name == "handle_payload"
    assert CLIENT in {above.parent_id for above in trace.values()}


def test_an_engine_can_pass_the_trace_on(
    launcher: Launcher, model_folder: str, collector: Collector
) -> None:
    server = serve(launcher, model_folder, **collector.env)
    Api(server.api.port, HEADERS).complete(PROMPT)
    assert server.process.terminate() == 0
    request, _ = spans_of(collector)
    engine = told(launcher)
    # Dynamo's frontend of 1.6.1 keeps `tracestate` to itself.
    assert engine["headers"] == {"traceparent": f"00-{TRACE}-{request.span_id}-01"}
    assert engine["trace_id"] == TRACE
    assert engine["span_id"] == request.span_id
    assert engine["parent_span_id"] == request.parent_id


def test_an_engine_adds_to_its_requests_span_and_makes_spans_below_it(
    launcher: Launcher, model_folder: str, collector: Collector
) -> None:
    server = serve(launcher, model_folder, **collector.env)
    answer = Api(server.api.port, HEADERS).complete(PROMPT, **case("spans"))
    assert answer.status == 200, answer.text
    assert server.process.terminate() == 0
    request, trace = spans_of(collector)
    assert request.attributes["cache.hit"] is True
    assert request.attributes["after.end"] == "there"
    assert request.events == {"looked up": {"blocks": 3}}
    assert not request.failed

    made = {span.name: span for span in trace.values()}
    assert "never" not in made
    load = made["load"]
    assert load.attributes == {"sizes": [1, 2], "part": 0.5, "from": ["disk", "host"]}
    assert (made["read"].parent_id, load.parent_id) == (load.span_id, request.span_id)
    assert (made["fails"].failed, made["fails"].parent_id) == (True, request.span_id)
    assert made["fails"].attributes == {"error.type": "TimeoutError"}
    assert "secret" not in repr(made["fails"])
    assert (made["refused"].failed, made["refused"].message) == (True, "no room")
    told_of = json.loads(launcher.latches.reached("spans"))
    assert told_of["records"] == [True, False]
    refusals = iter(told_of["refusals"])
    for parts in (
        ["attribute 'wrong' is", "dict", "accepted: a str"],
        ["attribute 'wrong' is", "list"],
        ["attribute 'wrong' is 9223372036854775808", "64 bits"],
        ["attributes: ", "list", "a dict of str"],
        ["status is 'bad'", "'ok', 'error'"],
        ["attribute 'wrong' is None"],
    ):
        refusal = next(refusals)
        assert all(part in refusal for part in parts), refusal


def test_a_request_without_a_trace_begins_one(
    launcher: Launcher, model_folder: str, collector: Collector
) -> None:
    server = serve(launcher, model_folder, **collector.env)
    server.api.complete(PROMPT)
    assert server.process.terminate() == 0
    engine = told(launcher)
    request, _ = spans_of(collector, engine["trace_id"])
    assert engine["headers"] == {"traceparent": f"00-{request.trace_id}-{request.span_id}-01"}


def test_what_is_not_sampled_is_not_exported_and_passed_on_as_such(
    launcher: Launcher, model_folder: str, collector: Collector
) -> None:
    server = serve(launcher, model_folder, **collector.env)
    headers = {"traceparent": f"00-{TRACE}-{CLIENT}-00"}
    Api(server.api.port, headers).complete(PROMPT)
    assert server.process.terminate() == 0
    assert [span for span in collector.spans if of_request(span)] == []
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-00", told(launcher)["headers"]["traceparent"])


def test_errors_and_cancellations_are_recorded(
    launcher: Launcher, model_folder: str, collector: Collector
) -> None:
    server = serve(launcher, model_folder, **collector.env)
    assert Api(server.api.port, HEADERS).complete(PROMPT, **case("raises")).status == 500
    failed = collector.wait_for(of_request, "the span of the request that failed")
    assert failed.failed
    assert failed.attributes["error.type"] == "Unknown"
    assert failed.attributes["gen_ai.response.finish_reasons"] == ["error"]
    assert failed.attributes["gen_ai.usage.output_tokens"] == 0
    # What the engine said is for the client and the log.
    assert "broken" not in repr(failed)

    with server.api.stream_completion(PROMPT, **case("waits")) as stream:
        stream.first_text()
        stream.leave()

    def left(span: Span) -> bool:
        return of_request(span) and span.trace_id != TRACE

    cancelled = collector.wait_for(left, "the span of the request whose client left")
    assert not cancelled.failed
    assert cancelled.attributes["gen_ai.response.finish_reasons"] == ["cancelled"]
    assert cancelled.attributes["gen_ai.usage.output_tokens"] == 1
    assert cancelled.trace_id == told(launcher, "waits")["trace_id"]


def test_without_tracing_there_is_no_trace(launcher: Launcher, model_folder: str) -> None:
    server = serve(launcher, model_folder)
    assert text_of(Api(server.api.port, HEADERS).complete(PROMPT).json).strip() == PROMPT
    engine = told(launcher)
    assert engine.pop("id")
    assert engine == {"trace_id": None, "span_id": None, "parent_span_id": None, "headers": {}}


def test_without_tracing_spans_do_nothing_and_refuse_the_same(
    launcher: Launcher, model_folder: str
) -> None:
    server = serve(launcher, model_folder)
    assert server.api.complete(PROMPT, **case("spans")).status == 200
    told_of = json.loads(launcher.latches.reached("spans"))
    assert told_of["records"] == [False, False]
    assert len(told_of["refusals"]) == 6


def test_a_collector_that_is_gone_costs_a_warning(launcher: Launcher, model_folder: str) -> None:
    # No batch is sent, and lost, before the last.
    tracing = {
        "OTEL_EXPORT_ENABLED": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{launcher.ports.reserve()}",
        "OTEL_BSP_SCHEDULE_DELAY": "600000",
    }
    server = serve(launcher, model_folder, **tracing)
    assert text_of(Api(server.api.port, HEADERS).complete(PROMPT).json).strip() == PROMPT
    assert server.process.terminate() == 0
    assert "the last spans could not be exported" in server.process.stderr


@pytest.mark.parametrize("how", ["command", "serve"])
def test_spans_go_over_http_too(
    launcher: Launcher, model_folder: str, collector: Collector, how: str
) -> None:
    if how == "command":
        server = serve(launcher, model_folder, **collector.http_env)
        program, port = server.process, server.api.port
    else:
        port = launcher.ports.reserve()
        arguments = ["serve", "traced:Traced", str(port), model_folder]
        program = launcher.script("embedded", *arguments, env=collector.http_env)
        program.wait_for_line("^state Serving")
    Api(port, HEADERS).complete(PROMPT)
    assert program.terminate() == 0
    span, trace = spans_of(collector)
    assert trace[span.parent_id].name == "handle_payload"


@pytest.mark.parametrize(
    ("signal", "asked_for"),
    [
        ("", "OTEL_EXPORT_ENABLED=1"),
        ("TRACES_", "OTEL_EXPORT_ENABLED=1"),
        ("LOGS_", "OTEL_EXPORT_ENABLED=1"),
        ("METRICS_", "OTEL_METRICS_EXPORTER=otlp"),
    ],
)
def test_fault_40_tls_over_grpc_is_told_before_anything_is_imported(
    launcher: Launcher, signal: str, asked_for: str
) -> None:
    variable = f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT"
    env = dict([asked_for.split("=")]) | {variable: "https://127.0.0.1:4317"}
    process = launcher.command("serve", "nothing:Nothing", env=env)
    assert process.wait() == 2
    for part in (variable, "https://127.0.0.1:4317", "over gRPC has no TLS"):
        assert part in process.stderr


def test_fault_40_so_it_is_in_a_program_of_ones_own(launcher: Launcher, model_folder: str) -> None:
    env = {"OTEL_EXPORT_ENABLED": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:4317"}
    port = str(launcher.ports.reserve())
    program = launcher.script("worker", "lifecycles:Recorded", port, model_folder, env=env)
    program.wait_for_line("raised InvalidArgument .*OTEL_EXPORTER_OTLP_ENDPOINT")
    assert not launcher.latches.is_reached("start")


def test_fault_40_spans_go_over_https(
    launcher: Launcher, model_folder: str, tmp_path: Path
) -> None:
    tls = certificates(tmp_path)
    with Collector(tls) as collector:
        env = collector.http_env | {"SSL_CERT_FILE": str(tls.authority)}
        server = serve(launcher, model_folder, **env)
        Api(server.api.port, HEADERS).complete(PROMPT)
        assert server.process.terminate() == 0
        span, trace = spans_of(collector)
        assert trace[span.parent_id].name == "handle_payload"


@pytest.mark.parametrize("how", ["serve", "run"])
def test_a_program_with_a_log_of_its_own_exports_too(
    launcher: Launcher, model_folder: str, collector: Collector, how: str
) -> None:
    port = launcher.ports.reserve()
    program = launcher.script(
        "embedded", how, "traced:Traced", str(port), model_folder, env=collector.env
    )
    program.wait_for_line("^state Serving")
    Api(port, HEADERS).complete(PROMPT)
    assert program.terminate() == 0
    span, trace = spans_of(collector)
    assert trace[span.parent_id].name == "handle_payload"
    assert told(launcher)["trace_id"] == TRACE


@pytest.mark.frontend
def test_the_trace_comes_through_dynamos_own_frontend(
    launcher: Launcher, model_folder: str, collector: Collector
) -> None:
    worker = launcher.command(
        *("serve", "traced:Traced", "--discovery-backend", "file"),
        *("--model-name", model_folder, "--served-model-name", "parrot"),
        env=collector.env,
    )
    worker.wait_for_line("^Serving on")
    frontend = start_frontend(launcher, env=collector.env)
    wait_for_model(frontend, "parrot")
    Api(frontend.port, HEADERS).complete(PROMPT)
    assert worker.terminate() == 0
    span, trace = spans_of(collector)
    assert span.attributes["gen_ai.request.model"] == "parrot"
    assert trace[span.parent_id].name == "handle_payload"
    assert told(launcher)["trace_id"] == TRACE
