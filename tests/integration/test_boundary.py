"""What crosses the border: the request, the context, and the task that an engine's code runs in."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.api import case, text_of
from support.launcher import Launcher, Server

PROMPT = "alpha beta gamma"


@pytest.fixture(scope="module")
def server(of_loop: Launcher, model_folder: str, loop: str) -> Server:
    return of_loop.serve("boundary:Boundary", "--model-name", model_folder, "--loop", loop)


def test_the_request_has_dynamos_keys(of_loop: Launcher, server: Server) -> None:
    options = {
        "max_tokens": 7,
        "temperature": 0.7,
        "top_p": 0.9,
        "seed": 42,
        "presence_penalty": 1.1,
        "frequency_penalty": -0.3,
        "stop": ["omega"],
    }
    answer = server.api.complete(PROMPT, **options, **case("keys"))
    assert answer.status == 200, answer.text
    request = json.loads(of_loop.latches.reached("request-keys"))
    assert request["model"] == server.model
    assert request["token_ids"]
    assert all(type(token) is int and token >= 0 for token in request["token_ids"])
    assert answer.json["usage"]["prompt_tokens"] == len(request["token_ids"])
    assert request["stop_conditions"]["max_tokens"] == 7
    assert request["stop_conditions"]["stop"] == ["omega"]
    sampling = request["sampling_options"]
    assert (sampling["temperature"], sampling["top_p"], sampling["seed"]) == (0.7, 0.9, 42)
    assert (sampling["presence_penalty"], sampling["frequency_penalty"]) == (1.1, -0.3)
    assert isinstance(request["output_options"], dict)
    assert request["eos_token_ids"]
    assert request["annotations"] == ["case:keys"]


def test_token_ids_of_a_prompt_of_tokens_arrive_as_they_are(
    of_loop: Launcher, server: Server
) -> None:
    tokens = [504, 2365, 6354]
    assert server.api.complete(tokens, **case("tokens")).status == 200
    assert json.loads(of_loop.latches.reached("request-tokens"))["token_ids"] == tokens


def test_a_chat_arrives_as_the_template_s_tokens(of_loop: Launcher, server: Server) -> None:
    assert server.api.chat(("user", PROMPT), **case("chat")).status == 200
    assert server.api.complete(PROMPT, **case("completion")).status == 200
    chat = json.loads(of_loop.latches.reached("request-chat"))["token_ids"]
    completion = json.loads(of_loop.latches.reached("request-completion"))["token_ids"]
    assert len(chat) > len(completion)


def test_the_context_identifies_the_request(of_loop: Launcher, server: Server) -> None:
    assert server.api.complete(PROMPT, **case("first")).status == 200
    assert server.api.complete(PROMPT, **case("second")).status == 200
    first = json.loads(of_loop.latches.reached("context-first"))
    second = json.loads(of_loop.latches.reached("context-second"))
    assert first["id"]
    assert first["id"] != second["id"]
    assert isinstance(first["metadata"], dict)
    assert (first["stopped"], first["killed"]) == (False, False)
    assert first["type"] == "RequestContext"


def test_section_12_10_a_generator_runs_in_one_task_with_its_own_context_variables(
    of_loop: Launcher, server: Server
) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(lambda name: server.api.complete(PROMPT, **case(name)), ("left", "right"))
        )
    for answer in answers:
        assert answer.status == 200, answer.text
        assert text_of(answer.json)
    for name in ("left", "right"):
        seen = json.loads(of_loop.latches.reached(f"identity-{name}"))
        assert seen == {
            "before": "nobody's",
            "tasks": 1,
            "values": [True] * 5,
            "loop": True,
            "thread": True,
        }


def test_the_worker_id_is_a_number(of_loop: Launcher, server: Server) -> None:
    worker_id = json.loads(of_loop.latches.reached("worker-id"))
    assert type(worker_id) is int
    assert worker_id >= 0
