"""Faults of an engine that concern one request, or one hook, and nothing else."""

import json
import uuid
from http.client import HTTPConnection

from support.api import Api, case, text_of
from support.launcher import Launcher
from support.ports import LOOPBACK
from support.processes import PATIENCE, all_of

PROMPT = "alpha beta gamma"


def open_stream(api: Api, name: str, request_id: str) -> HTTPConnection:
    body = api.body_of_completion(PROMPT, stream=True, **case(name))
    headers = {"Content-Type": "application/json", "x-dynamo-request-id": request_id}
    connection = HTTPConnection(LOOPBACK, api.port, timeout=PATIENCE)
    connection.request("POST", "/v1/completions", json.dumps(body), headers)
    return connection


def test_what_abort_raises_ends_neither_the_process_nor_other_requests_of_the_same_id(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("faulty:AbortExits", "--model-name", model_folder)
    request_id = str(uuid.uuid4())
    leaving = open_stream(server.api, "leaving", request_id)
    launcher.latches.reached("leaving-started")
    staying = open_stream(server.api, "staying", request_id)
    launcher.latches.reached("staying-started")
    # A frontend that has begun to answer neither takes the one for the other.
    left, answer = leaving.getresponse(), staying.getresponse()
    left.close()
    leaving.close()
    launcher.latches.reached("abort")
    launcher.latches.reached("leaving-finally")
    assert not launcher.latches.is_reached("staying-finally")
    launcher.latches.release("staying-go")
    assert "[DONE]" in answer.read().decode()
    staying.close()
    assert text_of(server.api.complete(PROMPT).json).strip() == PROMPT
    assert server.process.terminate() == 0


def test_what_drain_raises_does_not_fail_a_shutdown(launcher: Launcher, model_folder: str) -> None:
    server = launcher.serve("faulty:DrainExits", "--model-name", model_folder)
    assert server.process.terminate() == 0
    server.process.wait_for_line(all_of("drain", "SystemExit", "7"))


def test_hooks_may_be_plain_functions(launcher: Launcher, model_folder: str) -> None:
    server = launcher.serve("faulty:PlainFunctions", "--model-name", model_folder)
    assert text_of(server.api.complete(PROMPT).json).strip() == PROMPT
    assert server.process.terminate() == 0
    assert launcher.latches.is_reached("drain")
    assert launcher.latches.is_reached("cleanup")


def test_a_start_that_waits_survives_the_garbage_collector(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("faulty:CollectedStart", "--model-name", model_folder)
    assert text_of(server.api.complete(PROMPT).json).strip() == PROMPT


def test_a_client_that_leaves_while_the_buffer_is_full_is_not_taken_for_an_end(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("faulty:RunsAhead", "--model-name", model_folder)
    for _ in range(5):
        with server.api.stream_completion(PROMPT, max_tokens=100_000, **case("ahead")) as stream:
            assert stream.first_text()
            stream.leave()
        launcher.latches.reached("ahead-finally")
    assert text_of(server.api.complete(PROMPT).json).strip() == PROMPT
    assert server.process.terminate() == 0
    assert "after the terminal one" not in server.process.output
