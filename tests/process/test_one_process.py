"""`serve ENGINE --http-port N`: worker and frontend in one process, until a signal."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.api import finish_reasons, read_text, text_of
from support.launcher import ENGINES, Launcher, Server
from support.metrics import samples
from support.processes import until
from support.system import System

PROMPT = "alpha beta gamma"
# The echo of a chat ends where the template ends its first message.
MESSAGE = ("system", "alpha beta gamma")
PREPARED = "dynamo_frontend_inflight_requests"
LONG = 4


@pytest.fixture(scope="module")
def echo(shared: Launcher, model_folder: str) -> Server:
    return shared.serve("echo", "--model-name", model_folder, "--served-model-name", "parrot")


@pytest.fixture(scope="module", params=["plain:Plain", "plain:make", "plain:engine"])
def python_engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model_folder: str
) -> Iterator[Server]:
    with Launcher(tmp_path_factory.mktemp("python")) as launcher:
        yield launcher.serve(request.param, "--model-name", model_folder)


def answers_everything(server: Server) -> None:
    api = server.api
    assert api.models() == [server.model]

    completion = api.complete(PROMPT)
    assert completion.status == 200, completion.text
    assert text_of(completion.json).strip() == PROMPT
    assert completion.json["choices"][0]["finish_reason"] == "stop"
    usage = completion.json["usage"]
    assert usage["prompt_tokens"] == usage["completion_tokens"] > 0

    with api.stream_completion(PROMPT) as stream:
        text, chunks = read_text(stream)
    assert text.strip() == PROMPT
    assert finish_reasons(chunks) == ["stop"]

    chat = api.chat(MESSAGE)
    assert chat.status == 200, chat.text
    assert PROMPT in text_of(chat.json)
    assert chat.json["choices"][0]["message"]["role"] == "assistant"

    with api.stream_chat(MESSAGE) as stream:
        text, chunks = read_text(stream)
    assert PROMPT in text
    assert finish_reasons(chunks) == ["stop"]
    assert server.process.alive


def test_accepted_sockets_do_not_wait_for_more_to_send(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("sockets:Looking", "--model-name", model_folder)
    assert server.api.complete(PROMPT).status == 200
    options = json.loads(launcher.latches.reached("sockets"))
    for port, accepted in options.items():
        assert all(accepted), f"TCP_NODELAY is not set at port {port}"
    assert options[str(server.api.port)]


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ({"n": 2}, "n"),
        ({"best_of": 2}, "best_of"),
        ({"prompt_logprobs": 1}, "prompt_logprobs"),
        ({"echo": True}, "prompt_logprobs"),
        ({"guided_json": {"type": "object"}}, "guided_decoding"),
        ({"guided_choice": ["a", "b"]}, "guided_decoding"),
        ({"bad_words_token_ids": [[1]]}, "bad_words_token_ids"),
        ({"allowed_token_ids": [1]}, "allowed_token_ids"),
        ({"logprob_token_ids": [1]}, "logprob_token_ids"),
        ({"detokenize": False}, "detokenize"),
        ({"min_tokens": 50}, "min_tokens"),
        ({"nvext": {"max_thinking_tokens": 5}}, "max_thinking_tokens"),
    ],
)
def test_what_an_echo_does_not_have_is_refused_by_name(
    echo: Server, option: dict[str, object], name: str
) -> None:
    answer = echo.api.complete(PROMPT, **option)
    assert answer.status == 400, answer.text
    assert name in answer.text


def test_an_echo_is_sure_of_its_tokens(echo: Server) -> None:
    options = {"temperature": 0.7, "top_k": 5, "seed": 1, "presence_penalty": 1, "min_tokens": 2}
    answer = echo.api.complete(PROMPT, logprobs=1, **options)
    assert answer.status == 200, answer.text
    assert text_of(answer.json).strip() == PROMPT
    assert set(answer.json["choices"][0]["logprobs"]["token_logprobs"]) == {0.0}


def test_an_echo_of_chats_refuses_what_it_does_not_have(echo: Server) -> None:
    for option in ({"n": 2}, {"response_format": {"type": "json_object"}}):
        assert echo.api.chat(MESSAGE, **option).status == 400


def test_the_bundled_echo_answers_chat_and_completions(echo: Server) -> None:
    assert echo.model == "parrot"
    answers_everything(echo)


def test_max_tokens_ends_with_length(echo: Server) -> None:
    answer = echo.api.complete(PROMPT, max_tokens=1)
    assert answer.json["choices"][0]["finish_reason"] == "length"
    assert answer.json["usage"]["completion_tokens"] == 1


def test_an_unknown_model_is_not_found(echo: Server) -> None:
    assert echo.api.complete(PROMPT, model="nobody").status == 404
    assert echo.api.complete(PROMPT).status == 200


def test_a_class_a_factory_and_an_instance_are_served(python_engine: Server) -> None:
    assert python_engine.model == "plain"
    answers_everything(python_engine)


def test_an_engine_is_found_in_the_current_folder_and_gets_its_arguments(
    launcher: Launcher, tmp_path: Path, model_folder: str
) -> None:
    (tmp_path / "my_engine.py").write_text((ENGINES / "plain.py").read_text())
    served = launcher.serve(
        "my_engine:Named", "--model-name", model_folder, "--", "given", cwd=tmp_path
    )
    assert served.model == "given"
    assert text_of(served.api.complete(PROMPT).json).strip() == PROMPT


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT], ids=lambda which: which.name)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("engine", ["echo", "plain:Plain"])
def test_section_12_1_a_signal_ends_it_with_success(
    launcher: Launcher, model_folder: str, engine: str, loop: str, which: signal.Signals
) -> None:
    server = launcher.serve(engine, "--model-name", model_folder, "--loop", loop)
    assert server.api.complete(PROMPT).status == 200
    server.process.send(which)
    assert server.process.wait() == 0
    assert "Traceback" not in server.process.output
    assert "KeyboardInterrupt" not in server.process.output


def test_a_prompt_that_is_being_read_when_the_signal_comes_is_answered(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("lifecycles:Gated", "--model-name", model_folder)
    metrics = System(server.api.port)
    with ThreadPoolExecutor(LONG) as pool:
        # Many tokens, of which the frontend makes a request first.
        replies = [
            pool.submit(server.api.complete, f" {number} two three" * 150) for number in range(LONG)
        ]
        until(
            lambda: LONG in [value for _, value in samples(metrics.get("/metrics").text, PREPARED)],
            "the frontend has all requests",
        )
        server.process.send(signal.SIGTERM)
        launcher.latches.release("go")
        for reply in replies:
            assert reply.result().status == 200, reply.result().text
    assert server.process.wait() == 0


def test_a_good_end_wakes_nobody(launcher: Launcher, model_folder: str) -> None:
    server = launcher.serve("lifecycles:Gated", "--model-name", model_folder)
    with server.api.stream_completion(PROMPT) as stream:
        stream.first_text()
        server.process.send(signal.SIGTERM)
        server.process.wait_for_line("waiting for 1 requests in flight")
        launcher.latches.release("go")
        read_text(stream)
    assert server.process.wait() == 0
    loud = [line for line in server.process.lines if " WARN " in line or " ERROR " in line]
    assert loud == []


def test_what_is_announced_answers(launcher: Launcher, model_folder: str) -> None:
    for _ in range(3):
        server = launcher.serve("echo", "--model-name", model_folder)
        replies = [
            server.api.complete(PROMPT, model=server.model),
            server.api.chat(MESSAGE, model=server.model),
        ]
        assert [reply.status for reply in replies] == [200, 200]
        server.process.kill()


def test_without_a_tokenizer_no_address_is_announced(launcher: Launcher) -> None:
    port = launcher.ports.reserve()
    process = launcher.command("serve", "echo", "--http-port", str(port))
    process.wait_for_line("the frontend cannot list a model without a tokenizer")
    process.wait_for_line("^Serving on dynamo.backend.generate")
    assert f":{port}/v1" not in process.stdout


def test_a_frontend_that_fails_is_no_success(launcher: Launcher) -> None:
    port = str(launcher.ports.reserve())
    process = launcher.command("serve", "robbing:TakesThePort", "--http-port", port, "--", port)
    assert process.wait() == 1
    process.wait_for_line(rf"error: serve: http frontend: cannot listen on 127\.0\.0\.1:{port}: ")
    assert launcher.latches.is_reached("cleanup")


def test_it_says_what_it_serves_where_and_how_to_try_it(echo: Server) -> None:
    curl = echo.process.wait_for_line(r"^curl .*").group(0)
    assert f"{echo.api.url}/chat/completions" in curl
    assert '"model": "parrot"' in curl
    echo.process.wait_for_line(r"Serving parrot on dynamo\.backend\.generate")


def test_the_frontend_listens_on_the_loopback_alone(echo: Server) -> None:
    listeners = list(_listeners(echo.process.pid, echo.api.port))
    assert listeners
    assert set(listeners) == {"0100007F"}


def _listeners(pid: int, port: int) -> Iterator[str]:
    """The addresses, in the kernel's hexadecimal form, on which somebody listens on ``port``."""
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, text = local.partition(":")
            if state == "0A" and int(text, 16) == port:
                yield address
