"""What a worker has to cut goes on at another one, behind a frontend that migrates."""

import signal
from contextlib import ExitStack

import pytest

from support.api import finish_reasons, read_text, wait_for_model
from support.frontend import start_frontend
from support.launcher import Launcher
from support.processes import Process
from support.streams import PROMPT, begin, finishes

pytestmark = pytest.mark.frontend


def test_a_stream_of_an_engine_that_fails_is_finished_by_another_worker(
    launcher: Launcher, model_folder: str
) -> None:
    failing = serve(launcher, model_folder, "failing:Fails")
    api = start_frontend(launcher, "--migration-limit", "3")
    wait_for_model(api, "parrot")
    with ExitStack() as stack:
        stream, _ = begin(stack, api, model="parrot")
        staying = serve(launcher, model_folder, "plain:Plain")
        launcher.latches.release("fail")
        _, chunks = read_text(stream)
    assert finish_reasons(chunks) == ["stop"]
    assert failing.wait() == 1
    assert "engine: RuntimeError: the device is lost" in failing.stderr
    assert staying.terminate() == 0


@pytest.mark.parametrize("limits", [["--max-queued-requests", "0"], ["--max-queued-seconds", "1"]])
def test_what_exceeds_a_workers_limit_is_answered_by_another(
    launcher: Launcher, model_folder: str, limits: list[str]
) -> None:
    limits = ["--max-concurrent-requests", "1", *limits]
    full = serve(launcher, model_folder, "lifecycles:Gated", *limits)
    api = start_frontend(launcher, "--migration-limit", "3")
    wait_for_model(api, "parrot")
    with ExitStack() as stack:
        stream = begin(stack, api, model="parrot")
        free = serve(launcher, model_folder, "plain:Plain")
        # In turns, so that some are sent to the worker that is full.
        for _ in range(6):
            answer = api.complete(PROMPT, model="parrot")
            assert answer.status == 200, answer.text
        full.wait_for_line("has as many requests|turn did not come")
        launcher.latches.release("go")
        finishes(*stream)
    assert full.terminate() == 0
    assert free.terminate() == 0


def serve(launcher: Launcher, model_folder: str, engine: str, *options: str) -> Process:
    worker = launcher.command(
        "serve",
        engine,
        *options,
        *["--discovery-backend", "file", "--model-name", model_folder],
        *["--served-model-name", "parrot"],
        env={"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "4"},
    )
    worker.wait_for_line("^Serving on")
    return worker


def test_section_12_2_a_stream_that_is_cut_is_finished_by_another_worker(
    launcher: Launcher, model_folder: str
) -> None:
    leaving = serve(launcher, model_folder, "lifecycles:Gated")
    api = start_frontend(launcher, "--migration-limit", "3")
    wait_for_model(api, "parrot")
    with ExitStack() as stack:
        stream, _ = begin(stack, api, model="parrot")
        staying = serve(launcher, model_folder, "plain:Plain")
        leaving.send(signal.SIGTERM)
        text, chunks = read_text(stream)
    assert text
    assert finish_reasons(chunks) == ["stop"]
    assert leaving.wait() == 3
    assert "1 request was cut" in leaving.stderr
    assert staying.terminate() == 0
