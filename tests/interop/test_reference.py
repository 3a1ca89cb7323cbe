"""Engines of dynamo.common.backend, unchanged, behind Dynamo's own frontend."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from support.api import Api, case, finish_reasons, read_text, text_of, wait_for_routes
from support.collector import Collector, Span
from support.event_plane import EventPlane, discovered
from support.frontend import start_frontend
from support.launcher import NOTHING
from support.metrics import sample
from support.processes import until
from support.reference import PROMPT, SAMPLE, Served, serve, start
from support.servers import Etcd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.launcher import Launcher
    from support.processes import Process

pytestmark = pytest.mark.frontend

TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
# Its second token is the model's end of text.
WHOLE: dict[str, Any] = {"ignore_eos": True}
FILE = ("--discovery-backend", "file")


def told(launcher: Launcher, name: str) -> Any:
    return json.loads(launcher.latches.reached(name))


def sample_engine(
    launcher: Launcher, model_folder: str, *arguments: str, env: Mapping[str, str] = NOTHING
) -> Process:
    return serve(launcher, SAMPLE, "--model-name", model_folder, *FILE, *arguments, env=env)


def test_their_sample_engine_answers_as_it_is(launcher: Launcher, model_folder: str) -> None:
    worker = sample_engine(launcher, model_folder, "--max-tokens", "5", "--component", "theirs")
    assert "Serving on dynamo.theirs.generate" in worker.stdout
    with EventPlane(launcher) as plane:
        api = start_frontend(launcher)
        wait_for_routes(api, model_folder, PROMPT)
        answer = api.complete(PROMPT, model=model_folder, max_tokens=5, **WHOLE)
        assert answer.status == 200, answer.text
        assert answer.json["usage"]["completion_tokens"] == 5
        assert answer.json["choices"][0]["finish_reason"] == "length"
        plane.until_told_that("stored")
        plane.until_told_that("removed")
    with api.stream_chat(("user", "alpha"), model=model_folder, **WHOLE) as stream:
        assert stream.first_text()
    assert worker.terminate() == 0
    assert "none was cut" in worker.output


def test_their_sample_engine_prefills_and_decodes_in_two_workers(
    launcher: Launcher, model_folder: str
) -> None:
    # A prefill worker that cannot say that it is quiescent waits for all of it.
    env = {"DYN_PREFILL_DRAIN_TIMEOUT_S": "1"}
    workers = [
        sample_engine(
            launcher, model_folder, "--component", mode, "--disaggregation-mode", mode, env=env
        )
        for mode in ("prefill", "decode")
    ]
    api = start_frontend(launcher)
    wait_for_routes(api, model_folder, PROMPT)
    answer = api.complete(PROMPT, model=model_folder, max_tokens=6, **WHOLE)
    assert answer.status == 200, answer.text
    assert answer.json["usage"]["completion_tokens"] == 6
    workers[0].wait_for_line("does not define is_quiescent")
    for worker in workers:
        worker.send(signal.SIGTERM)
    assert [worker.wait() for worker in workers] == [0, 0]


def test_their_sample_engine_in_etcd(launcher: Launcher, model_folder: str) -> None:
    etcd = Etcd(launcher)
    etcd.start()
    env = {"ETCD_ENDPOINTS": etcd.url}
    worker = start(
        launcher,
        *["serve", "--reference", SAMPLE, "--"],
        *["--model-name", model_folder, "--discovery-backend", "etcd"],
        env=env,
    )
    worker.wait_for_line(r"^Serving on dynamo\.sample\.generate$")
    api = start_frontend(launcher, discovery="etcd", env=env)
    wait_for_routes(api, model_folder, PROMPT)
    assert api.complete(PROMPT, model=model_folder).status == 200
    assert worker.terminate() == 0


def test_an_engine_is_told_of_its_request_as_theirs_is(
    launcher: Launcher, model_folder: str
) -> None:
    served = Served(launcher, model_folder)
    answer = served.api.complete(PROMPT, model="told")
    assert answer.json["usage"]["completion_tokens"] == len(PROMPT)
    _, same_loop = told(launcher, "started")
    assert same_loop, "from_args has the loop that serves"
    assert told(launcher, "labels")["dynamo_namespace"] == "theirs"
    request = told(launcher, "told")
    assert request.pop("id")
    assert request == {
        "type": "list",
        "own": "mine",
        "trace_id": None,
        "span_id": None,
        "headers": None,
        "killed": False,
    }
    [card] = discovered(launcher, "mdc", 1)
    assert card["card_json"]["runtime_config"]["context_length"] == 512
    assert card["card_json"]["runtime_config"]["runtime_data"]["told"] == 1
    assert card["card_json"]["runtime_config"]["enable_eagle"] is False


def test_its_metrics_snapshots_and_blocks_are_seen(launcher: Launcher, model_folder: str) -> None:
    served = Served(launcher, model_folder)
    served.api.complete(PROMPT, model="told")

    def text() -> str:
        return served.system.get("/metrics").text

    until(lambda: "theirs_served_total" in text(), "its registry is shown")
    shown = text()
    assert sample(shown, "theirs_served_total", dynamo_namespace="theirs") >= 1
    assert sample(shown, "dynamo_component_gpu_cache_usage_percent", dp_rank="0") == 0.25
    assert sample(shown, "dynamo_component_total_blocks", dp_rank="0") == 100
    # The last block is not whole.
    served.worker.wait_for_line("a KV block that has not 4 tokens is not published")


def test_routers_are_told_of_its_blocks(launcher: Launcher, model_folder: str) -> None:
    serve(launcher, "referenced:Told", "--model-name", model_folder)
    with EventPlane(launcher) as plane:
        api = start_frontend(launcher, "--namespace", "theirs")
        wait_for_routes(api, "told", PROMPT)
        hashes = [2**62, 2**62 + 1, 2**61]
        assert plane.until_told_of(hashes) == hashes


def test_a_client_that_leaves_stops_it(launcher: Launcher, model_folder: str) -> None:
    served = Served(launcher, model_folder)
    with served.api.stream_completion(PROMPT, model="told", **case("waits")) as stream:
        launcher.latches.reached("waits")
        stream.leave()
    assert launcher.latches.reached("abort") == told(launcher, "told")["id"]
    launcher.latches.reached("saw-stop")


def test_its_generator_is_closed_by_its_own_task(errors: Served, shared: Launcher) -> None:
    shared.latches.withdraw("closed")
    errors.api.complete(PROMPT, model="told", **case("goes on"))
    assert shared.latches.reached("closed") == "True"


def test_sigterm_lets_a_stream_end(launcher: Launcher, model_folder: str) -> None:
    served = Served(launcher, model_folder)
    with served.api.stream_completion(PROMPT, model="told", **case("gated")) as stream:
        launcher.latches.reached("gated")
        assert stream.first_text()
        served.worker.send(signal.SIGTERM)
        served.worker.wait_for_line("shutdown")
        launcher.latches.release("go")
        _, chunks = read_text(stream)
    assert finish_reasons(chunks) == ["stop"]
    assert served.worker.wait() == 0
    assert "none was cut" in served.worker.output
    assert launcher.latches.is_reached("cleanup")


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("invalid", 400, "the prompt is odd"),
        ("http", 400, "HTTP 422: the prompt is rude"),
        ("built in", 400, "the number is wrong"),
        ("own", 503, ""),
        ("early", 400, "before there is a stream"),
    ],
)
def test_their_exceptions_keep_their_kind(
    errors: Served, name: str, status: int, said: str
) -> None:
    answer = errors.api.complete(PROMPT, model="told", **case(name))
    assert answer.status == status, answer.text
    assert said in answer.text


@pytest.fixture(scope="module")
def errors(shared: Launcher, model_folder: str) -> Served:
    return Served(shared, model_folder)


def test_what_kind_they_have_is_counted(errors: Served) -> None:
    for name, kind in (("own", "Disconnected"), ("unavailable", "Unknown")):
        errors.api.complete(PROMPT, model="told", **case(name))
        text = errors.system.get("/metrics").text
        assert sample(text, "dynamo_component_worker_request_errors_total", kind=kind) >= 1
    errors.worker.wait_for_line("WorkerUnavailable: no peer")
    # An engine's own traceback is in the log, with where it was raised.
    errors.worker.wait_for_line("referenced.OfItsOwn: the peer is gone")


def test_controls_are_a_set_there(launcher: Launcher, model_folder: str) -> None:
    served = Served(launcher, model_folder)
    answer = served.system.control("control/set_delay", {"seconds": 0.01})
    assert (answer.status, answer.json["control"]) == (200, "set_delay")
    assert served.system.control("control/pause_generation", {}).status == 200
    until(lambda: served.system.get("/health").status == 503, "it left discovery")
    assert served.system.control("control/resume_generation", {}).status == 200
    until(lambda: served.system.get("/health").status == 200, "it came back")
    assert served.system.control("control/unknown", {}).status == 404


def test_spans_of_its_own_are_below_the_requests(launcher: Launcher, model_folder: str) -> None:
    with Collector() as collector:
        served = Served(launcher, model_folder, **collector.env)
        answer = Api(served.api.port, HEADERS).complete(PROMPT, model="told", **case("spans"))
        assert answer.status == 200, answer.text
        request = told(launcher, "told")
        assert served.worker.terminate() == 0
        spans = {span.span_id: span for span in collector.spans}

    def own(span: Span) -> bool:
        return span.name == "theirs.tokens" and span.trace_id == request["trace_id"]

    [tokens] = [span for span in spans.values() if own(span)]
    assert tokens.attributes == {"tokens": len(PROMPT)}
    above = spans[tokens.parent_id]
    assert above.name == "text_completion told"
    assert above.span_id == request["span_id"]
    assert above.attributes["theirs.case"] == "spans"
    assert request["headers"]["traceparent"].split("-")[2] == request["span_id"]
    assert text_of(answer.json)
