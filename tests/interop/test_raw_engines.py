"""Engines that take requests as clients send them, behind Dynamo's own frontend."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.endpoint import ask
from support.frontend import answers, start_frontend

if TYPE_CHECKING:
    from support.launcher import Launcher
    from support.processes import Process

pytestmark = pytest.mark.frontend

EXAMPLES = Path(__file__).parents[2] / "examples"
TYPES = ("--endpoint-types", "embedding")


def serve(launcher: Launcher, engine: str, *options: str, **more: Any) -> Process:
    worker = launcher.command("serve", engine, "--discovery-backend", "file", *options, **more)
    worker.wait_for_line("^Serving on ")
    return worker


def test_each_endpoint_of_the_example_is_served(launcher: Launcher) -> None:
    engines = ("Embeddings", "Images", "Videos", "Speech")
    workers = [
        serve(launcher, f"studio:{engine}", "--component", engine.lower(), cwd=EXAMPLES)
        for engine in engines
    ]
    api = start_frontend(launcher)
    embedded = json.loads(answers(api, "embeddings", {"model": "embeddings", "input": "a cat"}))
    assert len(embedded["data"][0]["embedding"]) == 8
    size = {"prompt": "a cat", "size": "16x8"}
    drawn = json.loads(answers(api, "images/generations", {"model": "images", **size}))
    assert base64.b64decode(drawn["data"][0]["b64_json"]).startswith(b"\x89PNG")
    filmed = json.loads(answers(api, "videos", {"model": "videos", "seconds": 1, **size}))
    assert base64.b64decode(filmed["data"][0]["b64_json"]).count(b"FRAME\n") == 4
    spoken = answers(
        api, "audio/speech", {"model": "speech", "input": "a cat", "response_format": "wav"}
    )
    assert spoken.startswith(b"RIFF")
    assert sorted(api.models()) == ["embeddings", "images", "speech", "videos"]
    for worker in workers:
        assert worker.terminate() == 0
        assert "Traceback" not in worker.output


def test_a_frontend_finds_it_and_cancels_it(launcher: Launcher) -> None:
    worker = serve(launcher, "raw:Lengths", *TYPES)
    api = start_frontend(launcher)
    answers(api, "embeddings", {"model": "lengths", "input": "four"})
    refused = api.post("embeddings", {"model": "lengths", "input": "refused"})
    assert (refused.status, "no such text" in refused.text) == (400, True), refused.text
    connection = api.hang_up("embeddings", {"model": "lengths", "input": "waiting"})
    launcher.latches.reached("asked-waiting")
    connection.close()
    launcher.latches.reached("waiting-finally")
    launcher.latches.reached("aborted")
    assert worker.terminate() == 0


def test_two_workers_of_one_model_take_over_from_one_another(launcher: Launcher) -> None:
    first = serve(launcher, "raw:Lengths", *TYPES)
    api = start_frontend(launcher)
    answers(api, "embeddings", {"model": "lengths", "input": "four"})
    second = serve(launcher, "raw:Lengths", *TYPES)
    assert first.terminate() == 0
    for number in range(20):
        reply = api.post("embeddings", {"model": "lengths", "input": f"number {number}"})
        assert reply.status == 200, reply.text
    assert second.terminate() == 0


def test_a_tensor_is_served(launcher: Launcher) -> None:
    worker = serve(launcher, "raw:Adds", "--endpoint-types", "tensor")
    numbers = {
        "metadata": {"name": "numbers", "data_type": "Int32", "shape": [3]},
        "data": {"data_type": "Int32", "values": [1, 2, 3]},
    }
    [answer] = ask(launcher, {"model": "adds", "tensors": [numbers]})
    assert not isinstance(answer, str), answer
    [chunk] = answer
    assert chunk["tensors"][0]["data"]["values"] == [6]
    assert json.loads(launcher.latches.reached("tensor"))["model"] == "adds"
    assert worker.terminate() == 0


def test_a_request_of_the_other_kind_is_refused_and_none_is_lost(
    launcher: Launcher, model_folder: str
) -> None:
    raw = serve(launcher, "raw:Lengths", *TYPES)
    tokenized = {"token_ids": [1], "stop_conditions": {}, "model": "lengths"}
    refused, answered = ask(launcher, tokenized, {"input": "four"})
    assert "Lengths takes a request as its client sent it" in str(refused)
    assert "tokenized already" in str(refused)
    assert not isinstance(answered, str)
    assert answered[0]["data"][0]["embedding"] == [4.0, 0.5]
    assert raw.terminate() == 0

    tokens = serve(launcher, "plain:Plain", "--model-name", model_folder)
    refused, answered = ask(launcher, {"input": "four"}, {"token_ids": [1]})
    assert "token_ids" in str(refused)
    assert not isinstance(answered, str)
    assert answered[0]["token_ids"] == [1]
    assert tokens.terminate() == 0
