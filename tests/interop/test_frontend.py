"""Beside a frontend that is Dynamo's own: it finds the worker by files, and streams through it."""

from collections.abc import Iterator

import pytest
from openai import OpenAI

from support.api import Api, case, text_of, wait_for_model, wait_for_routes
from support.frontend import start_frontend
from support.launcher import Launcher
from support.processes import Process

pytestmark = pytest.mark.frontend

PROMPT = "alpha beta gamma"


@pytest.fixture(scope="module")
def worker(shared: Launcher, model_folder: str) -> Process:
    return serve(shared, model_folder)


def serve(launcher: Launcher, model_folder: str) -> Process:
    process = launcher.command(
        "serve",
        "abandoned:Abandoned",
        "--discovery-backend",
        "file",
        "--model-name",
        model_folder,
        "--served-model-name",
        "parrot",
    )
    process.wait_for_line(r"^Serving on dynamo\.backend\.generate$")
    return process


@pytest.fixture(scope="module")
def frontend(shared: Launcher, worker: Process) -> Api:
    api = start_frontend(shared)
    wait_for_model(api, "parrot")
    return api


@pytest.fixture(scope="module")
def client(frontend: Api) -> Iterator[OpenAI]:
    with OpenAI(base_url=frontend.url, api_key="none", max_retries=0) as client:
        yield client


def test_it_finds_the_worker(frontend: Api) -> None:
    assert frontend.models() == ["parrot"]


def test_the_openai_client_completes(client: OpenAI) -> None:
    answer = client.completions.create(model="parrot", prompt=PROMPT, max_tokens=64)
    assert answer.choices[0].text.strip() == PROMPT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


def test_the_openai_client_streams_a_completion(client: OpenAI) -> None:
    stream = client.completions.create(model="parrot", prompt=PROMPT, max_tokens=64, stream=True)
    choices = [choice for chunk in stream for choice in chunk.choices]
    assert "".join(choice.text for choice in choices).strip() == PROMPT
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]


def test_the_openai_client_streams_a_chat(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="parrot",
        messages=[{"role": "system", "content": PROMPT}],
        max_tokens=64,
        stream=True,
    )
    choices = [choice for chunk in stream for choice in chunk.choices]
    assert PROMPT in "".join(choice.delta.content or "" for choice in choices)
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]


def test_a_cancelled_request_stops_the_engine(shared: Launcher, client: OpenAI) -> None:
    stream = client.completions.create(
        model="parrot", prompt=PROMPT, stream=True, extra_body=case("waiting")
    )
    next(iter(stream))
    shared.latches.reached("waiting-started")
    stream.close()
    shared.latches.reached("waiting-finally")
    assert shared.latches.reached("waiting-abort") == "True"


def test_a_request_that_never_got_a_token_is_cancelled_too(shared: Launcher, frontend: Api) -> None:
    body = frontend.body_of_completion(PROMPT, **case("silent"))
    connection = frontend.hang_up("completions", body)
    shared.latches.reached("silent-started")
    connection.close()
    assert shared.latches.reached("silent-finally") == "CancelledError"


def test_after_sigterm_the_frontend_has_no_worker(launcher: Launcher, model_folder: str) -> None:
    worker = serve(launcher, model_folder)
    frontend = start_frontend(launcher)
    wait_for_routes(frontend, "parrot", PROMPT)
    assert text_of(frontend.complete(PROMPT, model="parrot").json).strip() == PROMPT
    assert worker.terminate() == 0
    assert frontend.complete(PROMPT, model="parrot").status in (404, 503)
