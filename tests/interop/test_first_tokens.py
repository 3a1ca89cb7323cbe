"""Dynamo's own router is told when a prompt is computed, before the token arrives."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from support.api import Api, case, wait_for_routes
from support.frontend import start_frontend
from support.launcher import Launcher
from support.metrics import samples
from support.processes import until
from support.servers import Nats
from support.system import System, serve

pytestmark = pytest.mark.frontend

PROMPT = list(range(1000, 1160))
QUEUED = "dynamo_frontend_worker_active_prefill_tokens"


def queued(api: Api) -> float:
    """Tokens of prompts that the router holds to be not computed yet.

    It looks when a request comes or goes, so one is asked that is answered at once.
    """
    assert api.complete(PROMPT[:32], model="caching").status == 200
    text = System(api.port).get("/metrics").text
    return sum(value for _, value in samples(text, QUEUED))


@contextmanager
def held(launcher: Launcher, api: Api) -> Iterator[None]:
    """Asks for a token, which the engine holds back until the block ends."""
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(api.complete(PROMPT, model="caching", **case("held")).status)

    client = Thread(target=ask)
    client.start()
    try:
        launcher.latches.reached("asked")
        yield
    finally:
        for latch in ("announce", "yield"):
            launcher.latches.release(latch)
        client.join()
    assert statuses == [200]


@pytest.mark.parametrize("plane", ["zmq", "nats"])
def test_a_first_token_that_an_engine_tells_of_reaches_the_router(
    launcher: Launcher, model_folder: str, plane: str
) -> None:
    env = {}
    if plane == "nats":
        nats = Nats(launcher)
        nats.start()
        env["NATS_SERVER"] = nats.url
    serve(
        launcher,
        "caching:Announcing",
        *["--model-name", model_folder, "--served-model-name", "caching"],
        *["--event-plane", plane],
        env=env,
    )
    api = start_frontend(launcher, "--router-mode", "kv", "--event-plane", plane, env=env)
    wait_for_routes(api, "caching", PROMPT)
    with held(launcher, api):
        assert queued(api) >= len(PROMPT)
        launcher.latches.release("announce")
        until(lambda: queued(api) == 0, "the router is told that the prompt is computed")
    assert queued(api) == 0


@pytest.mark.parametrize(
    ("engine", "options"),
    [("caching:Announcing", ["--no-enable-kv-routing"]), ("plain:Plain", [])],
)
def test_without_anything_for_a_router_there_is_no_channel(
    launcher: Launcher, engine: str, options: list[str]
) -> None:
    serve(launcher, engine, *options)
    assert not list((launcher.folder / "discovery" / "v1").glob("event_channels/[!.]*"))
