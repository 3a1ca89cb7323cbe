"""A generate that is no async generator: threads for what may block, one chunk for a coroutine."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.api import case, read_text, text_of
from support.launcher import Launcher, Server
from support.processes import all_of, until

PROMPT = "alpha beta gamma"
MANY = 100


@pytest.fixture(scope="module")
def server(of_loop: Launcher, model_folder: str, loop: str) -> Server:
    return of_loop.serve("synchronous:Generator", "--model-name", model_folder, "--loop", loop)


def lives_on(server: Server) -> None:
    answer = server.api.complete(PROMPT)
    assert (answer.status, text_of(answer.json).strip()) == (200, PROMPT)
    assert server.process.alive


def test_a_generator_is_iterated_and_closed_by_one_thread_with_its_own_context_variables(
    of_loop: Launcher, server: Server
) -> None:
    of_loop.latches.withdraw("who-seen")
    answer = server.api.complete(PROMPT, **case("who"))
    assert text_of(answer.json).strip() == PROMPT
    seen = json.loads(of_loop.latches.reached("who-seen"))
    assert seen == {"before": "nobody", "own": True, "threads": 1, "off the loop": True}


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("ValueError", 400),
        ("InvalidArgument", 400),
        ("EngineShutdown", 503),
        ("KeyError", 500),
        ("SystemExit", 500),
        ("KeyboardInterrupt", 500),
    ],
)
def test_what_it_raises_reaches_the_client_and_the_log(
    server: Server, name: str, status: int
) -> None:
    seen = len(server.process.lines)
    assert server.api.complete(PROMPT, **case(f"raise-{name}")).status == status
    server.process.wait_for_line(f"asked to raise {name}", since=seen)
    if name == "KeyError":
        server.process.wait_for_line(r"synchronous\.py.*in generate", since=seen)
    lives_on(server)


@pytest.mark.parametrize(
    ("name", "status", "parts"),
    [
        ("bad", 500, ["Generator", "yielded 7", "dict"]),
        ("incomplete", 503, ["Generator", "terminal", "finish_reason"]),
        ("chatty", 200, ["Generator", "after the terminal"]),
    ],
)
def test_section_12_9_a_stream_that_breaks_its_contract_is_told(
    server: Server, name: str, status: int, parts: list[str]
) -> None:
    seen = len(server.process.lines)
    assert server.api.complete(PROMPT, **case(name)).status == status
    server.process.wait_for_line(all_of(*parts), since=seen)
    lives_on(server)


def test_section_12_10_a_client_that_leaves_has_it_closed_between_two_chunks(
    of_loop: Launcher, server: Server
) -> None:
    name = f"endless-{server.api.port}"
    with server.api.stream_completion(PROMPT, max_tokens=1500, **case(name)) as stream:
        assert stream.first_text()
        stream.leave()
    assert of_loop.latches.reached(f"{name}-closed") == "True"
    assert of_loop.latches.reached("aborted")
    lives_on(server)


def test_requests_that_wait_for_each_other_all_have_a_thread(
    of_loop: Launcher, server: Server
) -> None:
    mark = f"together-{server.api.port}"
    with ThreadPoolExecutor(MANY) as pool:
        answers = [
            pool.submit(server.api.complete, PROMPT, **case(f"{mark}-{number}"))
            for number in range(MANY)
        ]
        for number in range(MANY):
            of_loop.latches.reached(f"{mark}-{number}")
        of_loop.latches.release("all-are-there")
        texts = {text_of(answer.result().json).strip() for answer in answers}
    assert texts == {PROMPT}
    lives_on(server)


def test_one_that_hangs_does_not_keep_others_waiting(of_loop: Launcher, server: Server) -> None:
    name = f"hang-{server.api.port}"
    with server.api.stream_completion(PROMPT, **case(name)) as stream:
        of_loop.latches.reached(f"{name}-hangs")
        for _ in range(5):
            lives_on(server)
        of_loop.latches.release(f"{name}-go")
        read_text(stream)


def test_it_waits_for_a_slow_client(launcher: Launcher, model_folder: str) -> None:
    server = launcher.serve("synchronous:Generator", "--model-name", model_folder)
    with server.api.stream_completion(PROMPT, max_tokens=2000, **case("endless-slow")) as stream:
        assert stream.first_text()
        last = ""

        def stands_still() -> bool:
            nonlocal last
            before, last = last, launcher.latches.reached("endless-slow-count")
            return before == last

        until(stands_still, "the engine waits")
        lives_on(server)
        stream.leave()
    launcher.latches.reached("endless-slow-closed")


def test_shutdown_does_not_wait_for_a_thread_that_hangs(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve(
        "synchronous:Generator",
        "--model-name",
        model_folder,
        env={"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "4"},
    )
    with server.api.stream_completion(PROMPT, **case("hang-ever")) as stream:
        launcher.latches.reached("hang-ever-hangs")
        stream.leave()
        request = launcher.latches.reached("aborted")
        server.process.terminate()
    assert server.process.wait() == 0
    server.process.wait_for_line(all_of("1 threads did not let go of generate", request))
    assert "did not end when cancelled" not in server.process.output


@pytest.mark.parametrize(
    "name", ["", "chunk", "tuple", "iterator", "coroutine", "generator"], ids=lambda name: name
)
def test_a_plain_function_returns_its_chunks(
    launcher_of_functions: tuple[Launcher, Server], name: str
) -> None:
    launcher, server = launcher_of_functions
    marks = case(name) if name else {}
    answer = server.api.complete(PROMPT, **marks)
    assert (answer.status, text_of(answer.json).strip()) == (200, PROMPT)
    assert launcher.latches.reached("function-thread") == "dynamo-request"


@pytest.mark.parametrize(
    ("name", "status", "parts"),
    [
        ("text", 500, ["Function.generate returned", "type str", "list of chunks"]),
        ("number", 500, ["Function.generate returned", "type int", "list of chunks"]),
        ("nothing", 500, ["Function.generate returned None", "list of chunks"]),
        ("raise", 400, ["refused"]),
        ("StopIteration", 500, ["Function raised StopIteration"]),
    ],
)
def test_a_plain_function_that_fails_is_told(
    launcher_of_functions: tuple[Launcher, Server], name: str, status: int, parts: list[str]
) -> None:
    _, server = launcher_of_functions
    seen = len(server.process.lines)
    assert server.api.complete(PROMPT, **case(name)).status == status
    server.process.wait_for_line(all_of(*parts), since=seen)
    lives_on(server)


@pytest.fixture(scope="module")
def launcher_of_functions(shared: Launcher, model_folder: str) -> tuple[Launcher, Server]:
    return shared, shared.serve("synchronous:Function", "--model-name", model_folder)


def test_a_coroutine_returns_its_chunks(launcher: Launcher, model_folder: str) -> None:
    server = launcher.serve("synchronous:Coroutine", "--model-name", model_folder)
    for name in ("one", "list", "generator"):
        answer = server.api.complete(PROMPT, **case(name))
        assert (answer.status, text_of(answer.json).strip()) == (200, PROMPT), name
    for name, status, what in (
        ("number", 500, "type int"),
        ("nothing", 500, "returned None"),
        ("incomplete", 503, "terminal"),
    ):
        assert server.api.complete(PROMPT, **case(name)).status == status
        server.process.wait_for_line(all_of("Coroutine", what))
    assert server.process.terminate() == 0
    assert "never awaited" not in server.process.output


def test_a_function_that_is_annotated_as_asynchronous_is_called_on_the_loop(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("synchronous:Delegating", "--model-name", model_folder)
    lives_on(server)
