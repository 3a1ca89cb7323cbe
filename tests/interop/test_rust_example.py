"""The Rust library's example: an engine of one's own, with no Python anywhere."""

import json
import os
import signal
from collections.abc import Mapping

import pytest

from support.api import Api, finish_reasons, read_text, text_of, wait_for_model
from support.frontend import CACHE
from support.launcher import NOTHING, Launcher
from support.processes import Process

PROMPT = " one two three"
"""Each word is one token, its space included."""


@pytest.fixture(scope="module")
def example(shared: Launcher, model_folder: str) -> tuple[Process, Api]:
    return start(shared, model_folder)


def start(
    launcher: Launcher, model_folder: str, env: Mapping[str, str] = NOTHING
) -> tuple[Process, Api]:
    """The example, ready to answer."""
    target = os.environ.get("CARGO_TARGET_DIR") or CACHE / "target"
    binary = f"{target}/debug/examples/reverse"
    assert os.access(binary, os.X_OK), f"no {binary}: run `make python-test`"
    port = launcher.ports.reserve()
    process = launcher.start(
        binary, "--http-port", str(port), "--model-name", model_folder, env=env
    )
    api = Api(port)
    wait_for_model(api)
    return process, api


def test_it_answers_with_the_prompt_in_reverse(example: tuple[Process, Api]) -> None:
    process, api = example
    answer = api.complete(PROMPT)
    assert answer.status == 200, answer.text
    assert text_of(answer.json).split() == PROMPT.split()[::-1]
    assert "probed" not in process.stdout


def test_it_streams(example: tuple[Process, Api]) -> None:
    _, api = example
    with api.stream_completion(PROMPT) as stream:
        text, chunks = read_text(stream)
    assert text.split() == PROMPT.split()[::-1]
    assert finish_reasons(chunks) == ["stop"]


def test_sigterm_ends_it_with_success(launcher: Launcher, model_folder: str) -> None:
    process, _ = start(launcher, model_folder)
    assert process.terminate() == 0


def test_section_12_1_ctrl_c_ends_it_with_success_too(
    launcher: Launcher, model_folder: str
) -> None:
    process, _ = start(launcher, model_folder)
    process.send(signal.SIGINT)
    assert process.wait() == 0
    process.wait_for_line("drained: 0 requests finished, none was cut")


def test_section_2_an_engine_tells_a_probe_from_traffic(
    launcher: Launcher, model_folder: str
) -> None:
    env = {
        "DYN_SYSTEM_PORT": str(launcher.ports.reserve()),
        "DYN_HEALTH_CHECK_ENABLED": "true",
        "DYN_CANARY_WAIT_TIME": "1",
        "DYN_HEALTH_CHECK_PAYLOAD": json.dumps({"token_ids": [1], "model": "reverse"}),
    }
    process, api = start(launcher, model_folder, env)
    assert api.complete(PROMPT).status == 200
    process.wait_for_line("^probed")
    assert process.terminate() == 0
