"""Outputs that are held to a form, as a client asks for them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from openai import BadRequestError, OpenAI

from support.api import finish_reasons, read_text
from support.launcher import Launcher, Server

pytestmark = pytest.mark.model

CITY = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "capital": {"type": "boolean"},
        "rank": {"type": "integer", "minimum": 1, "maximum": 99},
        "tags": {"type": "array", "items": {"enum": ["old", "new"]}, "maxItems": 2},
    },
    "required": ["name", "capital", "rank", "tags"],
    "additionalProperties": False,
}
QUESTION: Any = [{"role": "user", "content": "Tell me about the city of Paris."}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string", "maxLength": 16}, "days": {"enum": [1, 3]}},
            "required": ["place", "days"],
        },
    },
}
CLOCK: Any = {"type": "function", "function": {"name": "get_time"}}


@pytest.fixture(scope="module")
def server(shared: Launcher) -> Iterator[Server]:
    served = shared.serve("llama-cpp", env={"XDG_CACHE_HOME": str(shared.folder / "cache")})
    yield served
    assert served.process.terminate() == 0
    assert "Traceback" not in served.process.output


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.api.url, api_key="none", max_retries=0) as client:
        yield client


def _ask(client: OpenAI, server: Server, **options: Any) -> Any:
    options = {"messages": QUESTION, "max_tokens": 120, "temperature": 1.0, "seed": 3, **options}
    return client.chat.completions.create(model=server.model, **options).choices[0]


def test_a_json_schema(client: OpenAI, server: Server) -> None:
    form: Any = {"name": "city", "schema": CITY, "strict": True}
    choice = _ask(client, server, response_format={"type": "json_schema", "json_schema": form})
    assert choice.finish_reason == "stop"
    jsonschema.validate(json.loads(choice.message.content), CITY)


def test_the_program_of_the_page(server: Server, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/llama-cpp-requests.md").read_text()
    [program] = re.findall(r"```python\n(# structured\.py.*?)```", page, re.DOTALL)
    (tmp_path / "structured.py").write_text(
        program.replace("http://127.0.0.1:8000/v1", server.api.url)
    )
    command = [sys.executable, str(tmp_path / "structured.py")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    city, _, size = said.strip().rpartition("\n")
    assert set(json.loads(city)) == {"name", "rank"}
    assert size in ("large", "small")


def test_json_mode(client: OpenAI, server: Server) -> None:
    choice = _ask(client, server, response_format={"type": "json_object"}, temperature=0)
    assert choice.message.content.startswith("{")
    if choice.finish_reason == "stop":
        assert isinstance(json.loads(choice.message.content), dict)


def test_a_schema_that_is_not_had_names_the_place(client: OpenAI, server: Server) -> None:
    schema = {"type": "object", "properties": {"a": {"not": {}}}}
    form: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    with pytest.raises(BadRequestError, match="'not' at #/properties/a"):
        _ask(client, server, response_format=form)


@pytest.mark.parametrize(
    ("tools", "choice"),
    [
        ([WEATHER, CLOCK], {"type": "function", "function": {"name": "get_weather"}}),
        ([WEATHER], "required"),
    ],
)
def test_a_tool_call_that_is_forced(
    client: OpenAI, server: Server, tools: Any, choice: Any
) -> None:
    made = _ask(client, server, tools=tools, tool_choice=choice)
    [call, *_] = made.message.tool_calls
    assert call.function.name == "get_weather"
    parameters = WEATHER["function"]["parameters"]
    jsonschema.validate(json.loads(call.function.arguments), parameters)


def test_tool_calls_in_the_models_own_notation(launcher: Launcher) -> None:
    served = launcher.serve(
        "llama-cpp",
        *("--tool-call-parser", "hermes", "--structural-tag-mode", "on"),
        env={"XDG_CACHE_HOME": str(launcher.folder / "cache")},
    )
    with OpenAI(base_url=served.api.url, api_key="none", max_retries=0) as client:
        one = {"tools": [WEATHER], "parallel_tool_calls": False}
        [call] = _ask(client, served, tool_choice="required", **one).message.tool_calls
        assert call.function.name == "get_weather"
        parameters = WEATHER["function"]["parameters"]
        jsonschema.validate(json.loads(call.function.arguments), parameters)
        # Without a call forced, it is the model's choice; one that it makes has the form.
        choice = _ask(client, served, max_tokens=20, **one)
        assert choice.message.content or choice.message.tool_calls
        assert served.process.terminate() == 0


@pytest.mark.parametrize(
    ("option", "allowed"),
    [
        ({"guided_choice": ["Lyon", "Marseille", "Nice"]}, r"Lyon|Marseille|Nice"),
        ({"guided_regex": r"[A-Z]{3}-\d{4}"}, r"[A-Z]{3}-\d{4}"),
        ({"guided_grammar": 'root ::= "yes" | "no, " [a-z]{2} "!"'}, r"yes|no, [a-z]{2}!"),
    ],
)
def test_constraints_beyond_openais(server: Server, option: Any, allowed: str) -> None:
    answer = server.api.complete("Once upon a time", max_tokens=30, temperature=1, **option)
    assert answer.status == 200, answer.text
    [choice] = answer.json["choices"]
    assert choice["finish_reason"] == "stop"
    jsonschema.validate(choice["text"], {"pattern": f"^({allowed})$"})


def test_a_constraint_that_is_not_valid_is_the_clients_fault(server: Server) -> None:
    for option in ({"guided_grammar": "root ::= ("}, {"guided_regex": "(?=a)b"}):
        answer = server.api.complete("Once upon a time", max_tokens=3, **option)
        assert answer.status == 400, answer.text
    assert server.api.complete("Once upon a time", max_tokens=3).status == 200


def test_lists_of_tokens_come_through_the_frontend(server: Server) -> None:
    options = {"max_tokens": 4, "temperature": 0}
    free = server.api.complete("Once upon a time", **options).json["choices"][0]["text"]
    only = server.api.complete("Once upon a time", allowed_token_ids=[504], **options)
    assert only.json["choices"][0]["text"] == "TheTheTheThe" != free
    wrong = server.api.complete("Once upon a time", bad_words_token_ids=[[]], **options)
    assert wrong.status == 400, wrong.text


def test_a_stop_text_does_not_leak_its_beginning(server: Server) -> None:
    options = {"max_tokens": 20, "guided_regex": "one two three four five"}
    with server.api.stream_completion("Count:", stop=["o three fo"], **options) as stream:
        text, chunks = read_text(stream)
    assert text == "one tw"
    assert finish_reasons(chunks) == ["stop"]
    with server.api.stream_completion("Count:", stop=["three fox"], **options) as stream:
        assert read_text(stream)[0] == "one two three four five"
