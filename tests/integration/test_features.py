"""What the OpenAI API asks for beside text, through a frontend in the worker's process."""

import json
import uuid
from typing import Any

import pytest
from openai import OpenAI

from support.api import Api, case, read_text, text_of
from support.launcher import Launcher, Server
from support.streams import PROMPT

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks a word up.",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}},
    },
}


@pytest.fixture(scope="module")
def server(shared: Launcher, model_folder: str) -> Server:
    options = ("--model-name", model_folder, "--tool-call-parser", "hermes")
    return shared.serve("features:Features", *options)


def test_log_probabilities_of_a_completion_are_the_engines(server: Server) -> None:
    answer = server.api.complete(PROMPT, logprobs=2)
    assert answer.status == 200, answer.text
    told = answer.json["choices"][0]["logprobs"]
    assert told["token_logprobs"] == [-0.25 * place for place in range(len(told["tokens"]))]
    assert len(told["tokens"]) == answer.json["usage"]["prompt_tokens"]
    assert all(-3.5 in alternatives.values() for alternatives in told["top_logprobs"])


def test_log_probabilities_of_a_chat_stream_are_the_engines(server: Server) -> None:
    options = {"logprobs": True, "top_logprobs": 2}
    with server.api.stream_chat(("user", PROMPT), **options) as stream:
        _, chunks = read_text(stream)
    told = [
        entry
        for chunk in chunks
        for choice in chunk["choices"]
        for entry in (choice.get("logprobs") or {}).get("content") or []
    ]
    assert [entry["logprob"] for entry in told] == [-0.25 * place for place in range(len(told))]
    assert len(told) > 3
    assert all(len(entry["top_logprobs"]) == 2 for entry in told)


def test_nobody_who_did_not_ask_gets_log_probabilities(server: Server) -> None:
    answer = server.api.complete(PROMPT)
    assert not answer.json["choices"][0].get("logprobs")


def test_the_text_of_a_tool_call_is_one_for_the_openai_client(server: Server) -> None:
    with OpenAI(base_url=server.api.url, api_key="none", max_retries=0) as client:
        answer = client.chat.completions.create(
            model=server.model,
            messages=[{"role": "user", "content": PROMPT}],
            tools=[TOOL],
            extra_body=case("tool"),
        )
        [choice] = answer.choices
        assert choice.finish_reason == "tool_calls"
        [call] = choice.message.tool_calls or []
        assert call.type == "function"
        assert call.function.name == "look_up"
        assert json.loads(call.function.arguments) == {"word": "alpha"}


def test_section_2_the_metadata_are_the_headers_that_the_client_sent_along(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("features:Watching", "--model-name", model_folder)
    request_id = str(uuid.uuid4())
    headers = {
        "x-dynamo-meta-tenant": "north",
        "x-dynamo-meta-trace": "a b",
        "x-dynamo-request-id": request_id,
    }
    assert Api(server.api.port, headers).complete(PROMPT).status == 200
    told = json.loads(launcher.latches.reached("context"))
    assert told == {"metadata": {"tenant": "north", "trace": "a b"}, "id": request_id}


def test_section_2_the_context_tells_of_the_requests_end(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("features:Watching", "--model-name", model_folder)
    assert text_of(server.api.complete(PROMPT).json)
    for ended in ("stopped", "killed"):
        launcher.latches.reached(ended)
        launcher.latches.withdraw(ended)
    with server.api.stream_completion(PROMPT, **case("waits")) as stream:
        stream.first_text()
        assert not launcher.latches.is_reached("stopped")
        assert not launcher.latches.is_reached("killed")
        stream.leave()
        for ended in ("stopped", "killed"):
            launcher.latches.reached(ended)
    assert server.process.terminate() == 0
