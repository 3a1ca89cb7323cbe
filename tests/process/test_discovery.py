"""A worker that etcd makes known: it comes, it goes, and what becomes of it when etcd does."""

import signal
from contextlib import ExitStack

import pytest

from support.api import Api, text_of, wait_for_model
from support.frontend import start_frontend
from support.launcher import Launcher, Server
from support.processes import Process, until
from support.servers import Etcd
from support.streams import PROMPT, begin, finishes

SIGNALS = pytest.mark.parametrize(
    "which", [signal.SIGTERM, signal.SIGINT], ids=lambda which: which.name
)
LOST = "discovery was lost"
LEASE = 2
"""Seconds: the shortest lease that etcd gives."""


@pytest.fixture
def etcd(launcher: Launcher) -> Etcd:
    return Etcd(launcher)


def settings(etcd: Etcd, *, lease: int, timeout: int = 60) -> dict[str, str]:
    """The environment of a process that etcd makes known for ``lease`` seconds at a time."""
    return {
        "DYN_DISCOVERY_BACKEND": "etcd",
        "ETCD_ENDPOINTS": etcd.url,
        "ETCD_LEASE_TTL": str(lease),
        # A connection on which nothing answers is given up after 1 + 1 seconds, not after 15 + 10.
        "ETCD_KEEPALIVE_INTERVAL_SECONDS": "1",
        "ETCD_KEEPALIVE_TIMEOUT_SECONDS": "1",
        "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": str(timeout),
    }


def serve(
    launcher: Launcher, model_folder: str, env: dict[str, str], engine: str = "Recorded"
) -> Process:
    """A worker without a frontend; waits until it serves."""
    process = launcher.command(
        "serve", f"lifecycles:{engine}", "--model-name", model_folder, env=env
    )
    process.wait_for_line(r"^Serving on dynamo\.backend\.generate$")
    return process


def frontend(launcher: Launcher, etcd: Etcd) -> Api:
    """Dynamo's frontend, with a lease that outlives every silence of these tests."""
    api = start_frontend(launcher, discovery="etcd", env=settings(etcd, lease=600))
    wait_for_model(api)
    return api


@pytest.mark.frontend
@SIGNALS
def test_section_5_a_signal_takes_the_instance_out_first_and_the_card_in_the_end(
    launcher: Launcher, model_folder: str, etcd: Etcd, which: signal.Signals
) -> None:
    etcd.start()
    worker = serve(launcher, model_folder, settings(etcd, lease=10), "Gated")
    assert (len(etcd.instances()), len(etcd.cards()), len(etcd.leases())) == (1, 1, 1)
    api = frontend(launcher, etcd)
    with ExitStack() as stack:
        stream, first = begin(stack, api)
        worker.send(which)
        worker.wait_for_line("waiting for 1 requests? in flight")
        assert (etcd.instances(), len(etcd.cards())) == ([], 1)
        # No worker is there; the model is not unknown.
        assert api.complete(PROMPT, model="plain").status == 503
        assert api.complete(PROMPT, model="nobody").status == 404
        launcher.latches.release("go")
        finishes(stream, first)
    assert worker.wait() == 0
    assert (etcd.instances(), etcd.cards(), len(etcd.leases())) == ([], [], 1)
    for hook in ("drain", "cleanup"):
        assert launcher.latches.is_reached(hook), hook


def test_section_12_2_the_card_of_one_worker_of_several_goes_before_its_instance(
    launcher: Launcher, model_folder: str, etcd: Etcd
) -> None:
    etcd.start()
    leaving, staying = (serve(launcher, model_folder, settings(etcd, lease=10)) for _ in range(2))
    assert (len(etcd.instances()), len(etcd.cards())) == (2, 2)
    assert leaving.terminate() == 0
    card, instance = etcd.deleted(2)
    assert card.startswith("v1/mdc/")
    assert instance.startswith("v1/instances/")
    assert name_of(card) == name_of(instance)
    [kept], [kept_card] = etcd.instances(), etcd.cards()
    assert name_of(kept) == name_of(kept_card) != name_of(card)

    # The last one of its model is missed, not forgotten.
    assert staying.terminate() == 0
    assert etcd.keys() == []
    assert etcd.deleted(3)[2] == kept


def name_of(key: str) -> str:
    """The id of the worker that the key is of."""
    return key.rpartition("/")[2]


@SIGNALS
def test_section_12_7_a_signal_ends_the_wait_for_an_etcd_that_is_not_there(
    launcher: Launcher, model_folder: str, etcd: Etcd, which: signal.Signals
) -> None:
    worker = connecting(launcher, model_folder, etcd)
    worker.send(which)
    assert worker.wait() == 0
    assert not launcher.latches.is_reached("start")
    assert not launcher.latches.is_reached("cleanup")


def test_section_4_3_an_etcd_that_comes_up_later_is_waited_for(
    launcher: Launcher, model_folder: str, etcd: Etcd
) -> None:
    worker = connecting(launcher, model_folder, etcd)
    etcd.start()
    worker.wait_for_line(r"^Serving on dynamo\.backend\.generate$")
    assert len(etcd.instances()) == 1
    assert worker.terminate() == 0
    assert etcd.keys() == []


def test_section_4_3_an_etcd_that_never_comes_is_a_failure_that_says_where_it_was_looked_for(
    launcher: Launcher, model_folder: str, etcd: Etcd
) -> None:
    env = settings(etcd, lease=10) | {"DYN_CONNECT_TIMEOUT_SECS": "1"}
    worker = launcher.command("serve", "lifecycles:Recorded", "--model-name", model_folder, env=env)
    assert worker.wait() == 1
    assert "error: connect: " in error_of(worker)
    assert etcd.url in error_of(worker)
    assert not launcher.latches.is_reached("start")


def connecting(launcher: Launcher, model_folder: str, etcd: Etcd) -> Process:
    """A worker that looks for an etcd that does not run."""
    worker = launcher.command(
        "serve",
        "lifecycles:Recorded",
        "--model-name",
        model_folder,
        env=settings(etcd, lease=10),
    )
    worker.wait_for_line(f"Etcd.{etcd.url}")
    assert worker.alive
    return worker


@pytest.fixture(params=["suspended", "killed"])
def silence(request: pytest.FixtureRequest) -> str:
    """How etcd falls silent."""
    kind: str = request.param
    return kind


def fall_silent(etcd: Etcd, silence: str) -> None:
    if silence == "suspended":
        etcd.suspend()
    else:
        etcd.kill()


def come_back(etcd: Etcd, silence: str) -> None:
    if silence == "suspended":
        etcd.resume()
    else:
        etcd.start()


def test_section_12_4_a_silence_within_the_lease_changes_nothing(
    launcher: Launcher, model_folder: str, etcd: Etcd, silence: str
) -> None:
    etcd.start()
    server = launcher.serve(
        "lifecycles:Recorded", "--model-name", model_folder, env=settings(etcd, lease=8)
    )
    before = etcd.keys()
    fall_silent(etcd, silence)
    for _ in range(3):
        answers(server)
    come_back(etcd, silence)
    # The worker is connected again when it can take its instance out.
    assert etcd.keys() == before
    answers(server)
    assert server.process.terminate() == 0
    assert etcd.instances() == []
    # What the worker could not give back, in the middle of coming back, goes with its lease.
    until(lambda: etcd.keys() == [], "all keys of the worker are gone")
    assert LOST not in server.process.output


def answers(server: Server) -> None:
    answer = server.api.complete(PROMPT, model=server.model)
    assert (answer.status, text_of(answer.json).strip()) == (200, PROMPT)


@pytest.mark.frontend
def test_section_12_4_lost_discovery_ends_the_worker_non_zero_after_its_requests(
    launcher: Launcher, model_folder: str, etcd: Etcd, silence: str
) -> None:
    etcd.start()
    worker = serve(launcher, model_folder, settings(etcd, lease=LEASE), "Gated")
    api = frontend(launcher, etcd)
    with ExitStack() as stack:
        stream, first = begin(stack, api)
        fall_silent(etcd, silence)
        worker.wait_for_line("waiting for 1 requests? in flight")
        assert not launcher.latches.is_reached("cleanup")
        launcher.latches.release("go")
        finishes(stream, first)
    assert worker.wait() == 1
    says_that_discovery_was_lost(worker)
    for hook in ("drain", "cleanup"):
        assert launcher.latches.is_reached(hook), hook


def test_section_12_4_a_lease_that_ran_out_ends_the_worker_though_etcd_is_back(
    launcher: Launcher, model_folder: str, etcd: Etcd
) -> None:
    etcd.start()
    worker = serve(launcher, model_folder, settings(etcd, lease=LEASE))
    [lease] = etcd.leases()
    etcd.revoke(lease)
    assert worker.wait() == 1
    says_that_discovery_was_lost(worker)
    assert launcher.latches.is_reached("cleanup")
    assert etcd.keys() == []


def says_that_discovery_was_lost(worker: Process) -> None:
    assert "Traceback" not in worker.output
    assert LOST in error_of(worker)


def error_of(worker: Process) -> str:
    """The one line by which the command says why it failed, wherever it is among the log's."""
    [error] = [line for line in worker.stderr.splitlines() if "dynamo-backend: error: " in line]
    assert error.startswith("dynamo-backend: error: ")
    return error


@SIGNALS
def test_section_5_a_signal_while_etcd_is_silent_is_a_graceful_success(
    launcher: Launcher,
    model_folder: str,
    etcd: Etcd,
    silence: str,
    which: signal.Signals,
) -> None:
    etcd.start()
    env = settings(etcd, lease=20, timeout=10)
    # As in production: nothing notices the silence before the deadline does.
    env.pop("ETCD_KEEPALIVE_INTERVAL_SECONDS")
    env.pop("ETCD_KEEPALIVE_TIMEOUT_SECONDS")
    worker = serve(launcher, model_folder, env)
    fall_silent(etcd, silence)
    worker.send(which)
    assert worker.wait() == 0
    for hook in ("drain", "cleanup"):
        assert launcher.latches.is_reached(hook), hook


def test_section_12_4_a_worker_that_died_is_forgotten_with_its_lease(
    launcher: Launcher, model_folder: str, etcd: Etcd
) -> None:
    etcd.start()
    worker = serve(launcher, model_folder, settings(etcd, lease=LEASE))
    worker.kill()
    until(lambda: etcd.keys() == [], "the keys of the dead worker are gone")
