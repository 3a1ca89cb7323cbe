"""Engines that take requests as clients send them, with the frontend in their process."""

from __future__ import annotations

import base64
import io
import json
import signal
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.endpoint import ask, begin
from support.metrics import sample
from support.processes import all_of, until
from support.system import System, becomes_ready, serve

if TYPE_CHECKING:
    from support.api import Api
    from support.launcher import Launcher, Server

EXAMPLES = Path(__file__).parents[2] / "examples"
TYPES = ("--endpoint-types", "embedding")
IN_FLIGHT = "dynamo_component_worker_requests_in_flight"
REFUSED = "dynamo_component_worker_requests_refused_total"
ERRORS = "dynamo_component_worker_request_errors_total"


def metric(system: System, name: str, **labels: str) -> float:
    return sample(system.get("/metrics").text, name, **labels)


def embed(api: Api, text: str, model: str = "lengths") -> Any:
    return api.post("embeddings", {"model": model, "input": text})


def test_embeddings_are_the_engines_own(launcher: Launcher) -> None:
    server = launcher.serve("raw:Lengths", *TYPES)
    assert server.api.models() == ["lengths"]
    answer = embed(server.api, "four")
    assert answer.status == 200, answer.text
    assert answer.json["data"][0]["embedding"] == [4.0, 0.5]
    assert answer.json["usage"]["prompt_tokens"] == 4
    asked = json.loads(launcher.latches.reached("asked-four"))
    assert (asked["model"], asked["input"]) == ("lengths", "four")
    assert "token_ids" not in asked
    assert server.process.terminate() == 0
    assert "Traceback" not in server.process.output
    assert launcher.latches.is_reached("cleanup")


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("refused", 400, "no such text"),
        ("late", 504, "the device answers no more"),
        ("crash", 500, "by zero"),
        ("nothing", 503, "Lengths ended the stream without an answer"),
        ("bytes", 500, "is of type bytes, which is no JSON value"),
        ("list", 500, "a chunk is a dict of what JSON can hold"),
    ],
)
def test_an_error_is_of_its_kind_and_of_one_request(
    lengths: Server, text: str, status: int, said: str
) -> None:
    answer = embed(lengths.api, text)
    assert answer.status == status, answer.text
    # What is the client's own fault it is told; the rest is in the log.
    if status == 400:
        assert said in answer.text
    else:
        lengths.process.wait_for_line(all_of(said))
    assert embed(lengths.api, "after").status == 200


@pytest.fixture(scope="module")
def lengths(shared: Launcher) -> Server:
    return shared.serve("raw:Lengths", *TYPES)


def test_an_engine_of_no_base_may_be_synchronous(launcher: Launcher) -> None:
    server = launcher.serve("raw:Plainly", *TYPES)
    assert embed(server.api, "five!", "plainly").json["data"][0]["embedding"] == [5.0, 0.5]
    assert server.process.terminate() == 0


def test_a_chat_needs_no_tokenizer_here(launcher: Launcher) -> None:
    server = launcher.serve("raw:Talks", "--endpoint-types", "chat")
    body = {"model": "talks", "messages": [{"role": "user", "content": "alpha beta"}]}
    answer = server.api.post("chat/completions", body)
    assert answer.status == 200, answer.text
    assert answer.json["choices"][0]["message"]["content"] == "alpha beta "
    asked = json.loads(launcher.latches.reached("chat"))
    assert asked["messages"][0]["content"] == "alpha beta"
    assert server.process.terminate() == 0


def test_a_client_that_leaves_stops_its_request_alone(launcher: Launcher) -> None:
    server = launcher.serve("raw:Lengths", *TYPES)
    connection = server.api.hang_up("embeddings", {"model": "lengths", "input": "waiting"})
    launcher.latches.reached("asked-waiting")
    connection.close()
    launcher.latches.reached("waiting-finally")
    launcher.latches.reached("aborted")
    assert embed(server.api, "four").status == 200
    assert server.process.terminate() == 0


def test_a_shutdown_lets_an_answer_finish(launcher: Launcher) -> None:
    server = launcher.serve("raw:Lengths", *TYPES)
    connection = server.api.hang_up("embeddings", {"model": "lengths", "input": "waiting"})
    launcher.latches.reached("asked-waiting")
    server.process.send(signal.SIGTERM)
    server.process.wait_for_line("Draining")
    launcher.latches.release("go-on")
    answer = connection.getresponse()
    assert answer.status == 200
    assert json.loads(answer.read())["data"][0]["embedding"] == [7.0, 0.5]
    connection.close()
    assert server.process.wait() == 0
    assert not launcher.latches.is_reached("aborted")


def test_it_is_counted_probed_and_limited(launcher: Launcher) -> None:
    process, system = serve(
        launcher,
        "raw:Lengths",
        *[*TYPES, "--max-concurrent-requests", "1", "--max-queued-requests", "0"],
        env={
            "DYN_HEALTH_CHECK_ENABLED": "true",
            "DYN_CANARY_WAIT_TIME": "1",
            "DYN_HEALTH_CHECK_REQUEST_TIMEOUT": "1",
        },
    )
    becomes_ready(system)
    probe = json.loads(launcher.latches.reached("probed"))
    assert probe == {"input": "is it well?", "_HEALTH_CHECK": True}
    waiting = begin(launcher, {"input": "waiting"})
    launcher.latches.reached("asked-waiting")
    until(lambda: metric(system, IN_FLIGHT) == 1, "the request is counted")
    [refused] = ask(launcher, {"input": "one too many"})
    assert isinstance(refused, str), refused
    assert metric(system, REFUSED) == 1
    launcher.latches.release("go-on")
    assert waiting.wait() == 0
    until(lambda: metric(system, IN_FLIGHT) == 0, "it is over")
    assert metric(system, ERRORS, kind="Unknown") == 0
    [failed] = ask(launcher, {"input": "crash"})
    assert "by zero" in str(failed)
    assert metric(system, ERRORS, kind="Unknown") == 1
    assert process.terminate() == 0


def test_it_has_the_operators_calls(launcher: Launcher) -> None:
    process, system = serve(launcher, "raw:Operated", *TYPES)
    becomes_ready(system)
    refused = system.control("sleep", {"level": "deep"})
    assert "level: no number" in refused.text
    assert system.status()["state"] == "serving"
    assert not launcher.latches.is_reached("control-sleep")
    assert system.control("sleep", {"level": 1}).status == 200
    assert launcher.latches.is_reached("control-sleep")
    assert system.control("wake_up").status == 200
    updated = system.control("update/weights", {"path": "new"})
    assert updated.json == {"loaded": "new"}
    assert process.terminate() == 0
    assert launcher.latches.is_reached("drain")


@pytest.mark.parametrize(
    ("engine", "path", "body"),
    [
        ("Embeddings", "embeddings", {"input": ["a cat", "a dog"]}),
        ("Images", "images/generations", {"prompt": "a cat", "n": 2, "size": "16x8"}),
        ("Videos", "videos", {"prompt": "a cat", "seconds": 2, "size": "16x8"}),
        ("Speech", "audio/speech", {"input": "a cat", "response_format": "wav"}),
    ],
)
def test_the_example_serves_each_endpoint(
    launcher: Launcher, engine: str, path: str, body: dict[str, Any]
) -> None:
    server = launcher.serve(f"studio:{engine}", cwd=EXAMPLES)
    status, answer = server.api.post_for_bytes(path, {"model": server.model, **body})
    assert status == 200, answer
    is_right(engine, answer)
    if engine in ("Images", "Videos"):
        refused = server.api.post(path, {"model": server.model, **body, "size": "9999x9999"})
        assert (refused.status, "more than" in refused.text) == (400, True), refused.text
    assert server.process.terminate() == 0
    assert "Traceback" not in server.process.output


def is_right(engine: str, answer: bytes) -> None:
    """Whether what came is what was asked for: of its format, and as much of it."""
    if engine == "Speech":
        with wave.open(io.BytesIO(answer)) as sound:
            assert sound.getnframes() == 8000 * 5 // 20
        return
    data = json.loads(answer)["data"]
    if engine == "Embeddings":
        assert [len(item["embedding"]) for item in data] == [8, 8]
        assert data[0]["embedding"] != data[1]["embedding"]
        return
    made = [base64.b64decode(item["b64_json"]) for item in data]
    if engine == "Images":
        assert len(made) == 2
        assert made[0].startswith(b"\x89PNG")
    else:
        [video] = made
        assert video.startswith(b"YUV4MPEG2 W16 H8 ")
        assert video.count(b"FRAME\n") == 8


def test_a_video_streams_its_progress(launcher: Launcher) -> None:
    server = launcher.serve("studio:Videos", cwd=EXAMPLES)
    body = {"model": "videos", "prompt": "a cat", "seconds": 3, "size": "16x8", "stream": True}
    with server.api.stream("videos", body) as stream:
        events = [event.json for event in stream.events() if event.data != "[DONE]"]
    assert [event["progress"] for event in events] == [25, 50, 75, 100]
    assert events[-1]["data"][0]["output_format"] == "y4m"
    assert server.process.terminate() == 0
