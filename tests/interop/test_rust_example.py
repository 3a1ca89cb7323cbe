"""The Rust library's example: an engine of one's own, with no Python anywhere."""

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.api import Api, finish_reasons, read_text, text_of, wait_for_model
from support.frontend import CACHE
from support.launcher import NOTHING, Launcher
from support.listening import listening
from support.ports import LOOPBACK
from support.processes import Process
from support.system import System

PROMPT = " one two three"
"""Each word is one token, its space included."""


@pytest.fixture(scope="module")
def example(shared: Launcher, model_folder: str) -> tuple[Process, Api]:
    return start(shared, model_folder)


def start(
    launcher: Launcher, model_folder: str, env: Mapping[str, str] = NOTHING
) -> tuple[Process, Api]:
    """The example, ready to answer."""
    port = launcher.ports.reserve()
    process = launcher.start(
        binary(), "--http-port", str(port), "--model-name", model_folder, env=env
    )
    api = Api(port)
    wait_for_model(api)
    return process, api


def binary() -> str:
    target = os.environ.get("CARGO_TARGET_DIR") or CACHE / "target"
    path = f"{target}/debug/examples/reverse"
    assert os.access(path, os.X_OK), f"no {path}: run `make build`"
    return path


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


def test_fault_44_a_home_that_is_replaced_is_told_of_in_the_log(
    launcher: Launcher, model_folder: str, tmp_path: Path
) -> None:
    env = {"HOME": "/proc/no-such-home", "TMPDIR": str(tmp_path)}
    process, _ = start(launcher, model_folder, env)
    process.wait_for_line("INFO.*the home folder '/proc/no-such-home' cannot be written to")
    assert process.terminate() == 0


def test_section_12_6_a_worker_of_its_own_program_has_the_workers_system_server(
    launcher: Launcher,
) -> None:
    system = System(launcher.ports.reserve())
    env = {"DYN_DISCOVERY_BACKEND": "mem", "DYN_SYSTEM_PORT": str(system.port)}
    process = launcher.start(binary(), env=env)
    process.wait_for_line("Serving reverse on ")
    assert system.health()[1]["workers"], "the runtime's own server has no list of workers"
    addresses = {address for address, port in listening(process.pid) if port == system.port}
    assert addresses == {LOOPBACK}
    assert process.terminate() == 0
    assert "the runtime's own system server" not in process.output


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
