"""A request to a Rust engine needs no GIL: it completes while Python code in C holds it."""

import time

import pytest

from support.api import Api, read_text, text_of
from support.gil import HeldGil
from support.launcher import Launcher

PROMPT = "alpha beta gamma"


@pytest.mark.parametrize("log", ["stderr", "logging"])
def test_a_request_to_the_rust_engine_completes_while_the_gil_is_held(
    launcher: Launcher, model_folder: str, log: str
) -> None:
    api = Api(launcher.ports.reserve())
    gil = HeldGil(launcher, api.port, model_folder, log)
    [model] = api.models()
    gil.hold()

    answer = api.complete(PROMPT, model=model)
    with api.stream_chat(("system", PROMPT), model=model) as stream:
        streamed, _ = read_text(stream)

    gil.is_held()
    if log == "logging":
        # Of both requests; Python has not seen any of it.
        written = len(gil.program.lines)
        before_release = time.time()
        gil.release()
        for _ in range(2):
            seen = gil.program.wait_for_line(r"^record (\S+) http response sent", since=written)
            assert float(seen.group(1)) < before_release
    else:
        gil.release()
    gil.released()

    assert text_of(answer.json).strip() == PROMPT
    assert PROMPT in streamed
    assert gil.program.terminate() == 0
