"""Section 6 and 10: a prefill and a decode worker behind Dynamo's own frontend."""

import json
import signal
import time
from http.client import HTTPConnection
from typing import Any

import pytest

from support.api import Api, case, text_of, wait_for_routes
from support.frontend import start_frontend
from support.launcher import Launcher
from support.metrics import sample
from support.processes import Process, until
from support.system import System, becomes_ready

pytestmark = pytest.mark.frontend

CLIENT_GONE = "issuing cancellation"
"""In the frontend's log."""
RECEIVED = ": request received "
"""In a worker's log."""
PROMPT = "alpha beta gamma"
MODEL = "split"
IN_FLIGHT = "dynamo_component_worker_requests_in_flight"


def serve(
    launcher: Launcher, model_folder: str, engine: str, mode: str, *options: str, **env: str
) -> Process:
    worker = launcher.command(
        "serve",
        engine if ":" in engine else f"disaggregated:{engine}",
        *["--discovery-backend", "file", "--model-name", model_folder],
        *["--served-model-name", MODEL, "--disaggregation-mode", mode],
        *["--component", mode, *options],
        env=env,
    )
    worker.wait_for_line("^Serving on ")
    return worker


def pair(
    launcher: Launcher, model_folder: str, prefill: str = "Prefill", decode: str = "Decode"
) -> Api:
    """Both workers, and a frontend that lists their model."""
    serve(launcher, model_folder, prefill, "prefill")
    serve(launcher, model_folder, decode, "decode")
    api = start_frontend(launcher)
    wait_for_routes(api, MODEL, PROMPT)
    return api


def leave_early(api: Api, name: str) -> HTTPConnection:
    """Sends a request, for a client that leaves before its answer begins."""
    return api.hang_up("completions", api.body_of_completion(PROMPT, model=MODEL, **case(name)))


def told(launcher: Launcher, name: str) -> dict[str, Any]:
    request: dict[str, Any] = json.loads(launcher.latches.reached(name))
    return request


def answers(api: Api, **options: Any) -> None:
    answer = api.complete(PROMPT, model=MODEL, **options)
    assert answer.status == 200, answer.text
    assert text_of(answer.json).strip() == PROMPT


def test_section_10_what_a_prefill_hands_over_comes_with_the_decodes_request(
    launcher: Launcher, model_folder: str
) -> None:
    api = pair(launcher, model_folder)
    answers(api, max_tokens=20, min_tokens=2)
    prefill, decode = told(launcher, "prefill"), told(launcher, "decode")
    assert (prefill["stop_conditions"]["max_tokens"], prefill["stop_conditions"]["min_tokens"]) == (
        1,
        2,
    )
    clamped = told(launcher, "clamped")
    assert (clamped["max_tokens"], clamped["min_tokens"]) == (1, 1)
    assert "prefill_result" not in prefill
    assert decode["prefill_result"]["disaggregated_params"]["blocks"] == prefill["token_ids"]
    assert decode["stop_conditions"]["max_tokens"] == 20
    assert told(launcher, "details")["cached_tokens"] == 2
    for request in (prefill, decode):
        assert "bootstrap_info" not in request
    with api.stream_chat(("system", PROMPT), model=MODEL) as stream:
        assert stream.first_text()


def test_what_is_handed_over_may_come_behind_the_token(
    launcher: Launcher, model_folder: str
) -> None:
    answers(pair(launcher, model_folder, prefill="TokenFirst"))
    assert told(launcher, "details")["cached_tokens"] == 2


def test_a_prefill_worker_with_an_engine_that_hands_nothing_over_says_so(
    launcher: Launcher, model_folder: str
) -> None:
    worker = serve(launcher, model_folder, "disaggregated:HandsNothingOver", "prefill")
    serve(launcher, model_folder, "Decode", "decode")
    api = start_frontend(launcher)
    wait_for_routes(api, MODEL, PROMPT)
    worker.wait_for_line("HandsNothingOver ended a prefill without disaggregated_params")
    assert not launcher.latches.is_reached("decode")


def test_section_10_prefill_and_decode_meet_at_the_bootstrap_server(
    launcher: Launcher, model_folder: str
) -> None:
    api = pair(launcher, model_folder, "BootstrapPrefill", "BootstrapDecode")
    answers(api)
    prefill, decode = told(launcher, "prefill"), told(launcher, "decode")
    assert prefill["bootstrap_info"] == decode["bootstrap_info"]
    assert decode["bootstrap_info"]["bootstrap_host"] == "127.0.0.1"
    assert "prefill_result" not in decode


@pytest.mark.parametrize("first", ["prefill", "decode"])
def test_section_6_neither_is_served_without_its_peer(
    launcher: Launcher, model_folder: str, first: str
) -> None:
    engines = {"prefill": "Prefill", "decode": "Decode"}
    second = "decode" if first == "prefill" else "prefill"
    api = start_frontend(launcher)
    frontend = Process.started[-1]
    serve(launcher, model_folder, engines[first], first)
    # It has seen the worker, and still does not list the model.
    frontend.wait_for_line("Committed discovered model group")
    assert api.models() == []
    assert api.complete(PROMPT, model=MODEL).status in (404, 503)
    peer = serve(launcher, model_folder, engines[second], second)
    wait_for_routes(api, MODEL, PROMPT)
    answers(api)
    assert peer.terminate() == 0
    until(lambda: api.models() == [], "the model is listed no more")
    assert api.complete(PROMPT, model=MODEL).status in (404, 503)
    serve(launcher, model_folder, engines[second], second)
    wait_for_routes(api, MODEL, PROMPT)
    answers(api)


@pytest.mark.parametrize("name", ["yielded", "announced"])
def test_section_10_a_cancelled_decode_is_aborted_after_its_first_token(
    launcher: Launcher, model_folder: str, name: str
) -> None:
    api = pair(launcher, model_folder)
    connection = leave_early(api, name)
    launcher.latches.reached("transferring")
    connection.close()
    launcher.latches.reached("stopped")
    # By the time that others are served, the engine would have been told.
    for _ in range(3):
        answers(api)
    assert not launcher.latches.is_reached("abort")
    launcher.latches.release("transferred")
    launcher.latches.reached("abort")


def test_section_10_a_decode_that_nobody_waits_for_gets_what_was_prefilled(
    launcher: Launcher, model_folder: str
) -> None:
    api = pair(launcher, model_folder)
    frontend = Process.started[-1]
    for latch in ("prefill", "decode"):
        launcher.latches.withdraw(latch)
    connection = leave_early(api, "long prefill")
    launcher.latches.reached("prefill")
    connection.close()
    frontend.wait_for_line(CLIENT_GONE)
    assert not launcher.latches.is_reached("decode")
    launcher.latches.release("prefill-go")
    assert told(launcher, "decode")["prefill_result"]
    launcher.latches.reached("transferring")
    for _ in range(3):
        answers(api)
    launcher.latches.release("transferred")
    launcher.latches.reached("transfer-ended")


@pytest.mark.parametrize("engine", ["BlockingDecode", "SteppedDecode"])
def test_section_10_engines_of_other_kinds_keep_a_cancelled_decode_too(
    launcher: Launcher, model_folder: str, engine: str
) -> None:
    api = pair(launcher, model_folder, decode=engine)
    connection = leave_early(api, "left")
    launcher.latches.reached("transferring")
    connection.close()
    launcher.latches.reached("kept")
    assert not launcher.latches.is_reached("too-early")
    launcher.latches.reached("abort")
    answers(api)


def test_section_10_a_decode_that_was_cancelled_before_its_turn_is_kept(
    launcher: Launcher, model_folder: str
) -> None:
    api = pair(launcher, model_folder, decode="LateDecode")
    decode, frontend = Process.started[-2:]
    blocking = leave_early(api, "blocking")
    launcher.latches.reached("blocking")
    received = decode.output.count(RECEIVED)
    late = leave_early(api, "late")
    until(lambda: decode.output.count(RECEIVED) > received, "the decode worker has the request")
    late.close()
    frontend.wait_for_line(CLIENT_GONE)
    # The worker hears of it while its event loop is blocked.
    time.sleep(4)
    launcher.latches.release("loop-go")
    launcher.latches.reached("kept")
    assert launcher.latches.is_reached("stopped")
    blocking.close()
    answers(api)


def test_section_10_a_cancelled_decode_without_a_first_token_is_kept_for_a_bounded_time(
    launcher: Launcher, model_folder: str
) -> None:
    port = launcher.ports.reserve()
    env = {"DYN_DECODE_KEEP_TIMEOUT_SECS": "1", "DYN_SYSTEM_PORT": str(port)}
    serve(launcher, model_folder, "Prefill", "prefill")
    worker = serve(launcher, model_folder, "LostTransfer", "decode", **env)
    api = start_frontend(launcher)
    wait_for_routes(api, MODEL, PROMPT)
    cases = ["one", "two", "three"]
    clients = [leave_early(api, name) for name in cases]
    for name in cases:
        launcher.latches.reached(f"transferring-{name}")
    for client in clients:
        client.close()
    for name in cases:
        launcher.latches.reached(f"cancelled-{name}")
    launcher.latches.reached("abort")
    worker.wait_for_line("had no first token within 1s; it is aborted")
    metrics = System(port)
    until(lambda: sample(metrics.get("/metrics").text, IN_FLIGHT) == 0, "none is in flight")
    answers(api)
    assert worker.terminate() == 0
    assert "none was cut" in worker.output


def test_section_8_a_decode_worker_is_probed_and_ready_without_a_peer(
    launcher: Launcher, model_folder: str
) -> None:
    canary = {"DYN_HEALTH_CHECK_ENABLED": "true", "DYN_CANARY_WAIT_TIME": "1"}
    system = System(launcher.ports.reserve())
    env = canary | {"DYN_SYSTEM_PORT": str(system.port)}
    serve(launcher, model_folder, "Decode", "decode", **env)
    becomes_ready(system)
    launcher.latches.reached("probe")


def test_a_prefill_that_fails_fails_the_request(launcher: Launcher, model_folder: str) -> None:
    api = pair(launcher, model_folder)
    launcher.latches.withdraw("decode")
    answer = api.complete(PROMPT, model=MODEL, **case("failing prefill"))
    assert answer.status == 503, answer.text
    assert not launcher.latches.is_reached("decode")
    answers(api)


def test_an_engine_in_the_wrong_mode_says_so(launcher: Launcher, model_folder: str) -> None:
    api = pair(launcher, model_folder, "Prefill", "Prefill")
    answer = api.complete(PROMPT, model=MODEL)
    assert answer.status == 400
    assert "is for a decode engine" in answer.text


def test_two_engines_that_meet_in_different_ways_say_so(
    launcher: Launcher, model_folder: str
) -> None:
    api = pair(launcher, model_folder, "Prefill", "BootstrapDecode")
    answer = api.complete(PROMPT, model=MODEL)
    assert answer.status == 400
    assert "set bootstrap_host and bootstrap_port" in answer.text


def test_section_5_a_prefill_worker_stays_until_it_is_quiescent(
    launcher: Launcher, model_folder: str
) -> None:
    worker = serve(launcher, model_folder, "BusyPrefill", "prefill")
    worker.send(signal.SIGTERM)
    launcher.latches.reached("polled")
    assert launcher.latches.is_reached("drain")
    assert not launcher.latches.is_reached("cleanup")
    launcher.latches.release("quiescent")
    assert worker.wait() == 0
    assert launcher.latches.reached("cleanup-after") == "2"
