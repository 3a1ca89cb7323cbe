"""Requests that come by NATS, beside Dynamo's own frontend."""

import signal
from contextlib import ExitStack

import pytest

from support.api import Api, text_of, wait_for_model
from support.frontend import start_frontend
from support.launcher import Launcher
from support.processes import Process, until
from support.servers import Nats
from support.streams import PROMPT, begin, finishes

pytestmark = pytest.mark.frontend


@pytest.fixture
def nats(launcher: Launcher) -> Nats:
    server = Nats(launcher)
    server.start()
    return server


def serve(launcher: Launcher, model_folder: str, nats: Nats, engine: str) -> tuple[Process, Api]:
    env = {"NATS_SERVER": nats.url}
    worker = launcher.command(
        "serve",
        f"lifecycles:{engine}",
        *["--discovery-backend", "file", "--request-plane", "nats"],
        *["--model-name", model_folder],
        env=env,
    )
    worker.wait_for_line(r"^Serving on dynamo\.backend\.generate$")
    assert "TCP request plane" not in worker.output
    api = start_frontend(launcher, request_plane="nats", env=env)
    wait_for_model(api)
    return worker, api


def answers(api: Api) -> bool:
    answer = api.complete(PROMPT)
    return answer.status == 200 and text_of(answer.json).strip() == PROMPT


def test_section_12_2_streams_by_nats_finish_on_sigterm(
    launcher: Launcher, model_folder: str, nats: Nats
) -> None:
    worker, api = serve(launcher, model_folder, nats, "Gated")
    with ExitStack() as stack:
        streams = [begin(stack, api) for _ in range(4)]
        worker.send(signal.SIGTERM)
        worker.wait_for_line("waiting for 4 requests in flight")
        launcher.latches.release("go")
        for stream, first in streams:
            finishes(stream, first)
    assert worker.wait() == 0
    assert launcher.latches.is_reached("cleanup")


def test_section_5_a_nats_that_dies_and_comes_back_is_found_again(
    launcher: Launcher, model_folder: str, nats: Nats
) -> None:
    worker, api = serve(launcher, model_folder, nats, "Recorded")
    assert answers(api)
    nats.kill()
    nats.start()
    until(lambda: answers(api), "requests are served again")
    assert worker.terminate() == 0


@pytest.mark.parametrize("silence", ["suspended", "killed"])
def test_section_5_a_signal_while_nats_is_silent_is_a_graceful_success(
    launcher: Launcher, model_folder: str, nats: Nats, silence: str
) -> None:
    worker, api = serve(launcher, model_folder, nats, "Recorded")
    assert answers(api)
    if silence == "suspended":
        nats.suspend()
    else:
        nats.kill()
    assert worker.terminate() == 0
    for hook in ("drain", "cleanup"):
        assert launcher.latches.is_reached(hook), hook
