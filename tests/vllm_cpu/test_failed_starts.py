"""Starts that fail, and starts that are given up: what is told, and that nothing is left."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

from support.vllm_worker import LOADING, VllmWorker

if TYPE_CHECKING:
    from support.launcher import Launcher


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        (("--block-size", "sixteen"), "block-size"),
        (("--frobnicate",), "frobnicate"),
        (("--token-path", "pigeon"), "token-path"),
        (("--dtype", "float17"), "dtype"),
        (("--nnodes", "2"), "nnodes"),
        (("--max-model-len", "100000"), "max_model_len"),
    ],
)
def test_a_bad_argument(launcher: Launcher, argument: tuple[str, ...], told: str) -> None:
    worker = VllmWorker(launcher, *argument)
    assert worker.ended() not in (0, None)
    assert told in worker.process.stderr
    assert "Traceback" not in worker.process.output
    worker.leaves_nothing()


def test_no_such_model(launcher: Launcher) -> None:
    worker = VllmWorker(launcher, model="/no/such/model")
    assert worker.ended() != 0
    assert "/no/such/model" in worker.process.stderr
    assert "Traceback" not in worker.process.output
    worker.leaves_nothing()


def test_a_core_that_cannot_load(launcher: Launcher) -> None:
    # Found out in the engine core's process only.
    worker = VllmWorker(launcher, "--num-gpu-blocks-override", "1")
    assert worker.ended() != 0
    worker.leaves_nothing()


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", [r"MainProcess pid=", r"EngineCore pid=", r"Worker pid="])
def test_a_signal_while_it_loads(launcher: Launcher, which: signal.Signals, moment: str) -> None:
    worker = VllmWorker(launcher)
    worker.process.wait_for_line(moment, patience=LOADING)
    worker.process.send(which)
    assert worker.ended() == 0
    assert "Traceback" not in worker.process.stderr
    worker.leaves_nothing()


def test_a_signal_while_the_hub_does_not_answer(launcher: Launcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hub:
        address = f"http://127.0.0.1:{hub.getsockname()[1]}"
        worker = VllmWorker(
            launcher, model="nobody/nothing", env={"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": address}
        )
        worker.process.wait_for_line("reading the configuration", patience=LOADING)
        with hub.accept()[0]:
            worker.process.send(signal.SIGTERM)
            assert worker.ended() == 0
    worker.leaves_nothing()


def test_a_core_that_is_killed_while_it_loads(launcher: Launcher) -> None:
    worker = VllmWorker(launcher)
    worker.process.wait_for_line("Worker pid=", patience=LOADING)
    worker.core.kill()
    assert worker.ended() == 1
    worker.leaves_nothing()
