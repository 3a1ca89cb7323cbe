"""Draining without a signal: out of discovery, back again, and safe to delete in between."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from support.api import Api, Stream, failed, read_text
from support.launcher import Launcher
from support.metrics import samples
from support.processes import Process, until
from support.servers import Etcd
from support.system import Answer, System, cards, instances, serve

PROMPT = "alpha beta gamma delta"
REST = "beta gamma delta"
METRICS = "dynamo_component_worker_"


def done(answer: Answer, state: str) -> None:
    assert answer.status == 200
    assert (answer.json["status"], answer.json["state"]) == ("ok", state), answer.text


def refused(answer: Answer, *parts: str) -> None:
    assert (answer.status, answer.json["status"]) == (200, "error"), answer.text
    for part in parts:
        assert part in answer.json["message"], answer.text


def becomes_safe_to_delete(system: System) -> None:
    until(lambda: system.status()["safe_to_delete"], "the worker is safe to delete")


class Server:
    """A worker with a frontend of its own, whose engine waits for the test after a first token."""

    def __init__(self, launcher: Launcher, model_folder: str, **env: str) -> None:
        port = launcher.ports.reserve()
        served = launcher.serve(
            "controlled:GatedSleeper",
            "--model-name",
            model_folder,
            env={"DYN_SYSTEM_PORT": str(port)} | env,
        )
        self.system = System(port)
        self.process: Process = served.process
        self.api: Api = served.api
        self.model: str = served.model

    @contextmanager
    def begun(self) -> Iterator[Stream]:
        """A stream whose first token has come."""
        with self.api.stream_completion(PROMPT, model=self.model) as stream:
            stream.first_text()
            yield stream

    def metric(self, name: str, **labels: str) -> float:
        found = samples(self.system.get("/metrics").text, METRICS + name)
        [value] = [value for seen, value in found if labels.items() <= seen.items()]
        return value


@pytest.fixture
def server(launcher: Launcher, model_folder: str) -> Server:
    return Server(launcher, model_folder)


def test_what_is_in_flight_goes_on_and_then_the_worker_is_safe_to_delete(
    launcher: Launcher, server: Server
) -> None:
    system = server.system
    assert system.status() == {"state": "serving", "in_flight": 0, "safe_to_delete": False}
    with server.begun() as stream:
        done(system.control("drain"), "draining")
        assert system.status() == {"state": "draining", "in_flight": 1, "safe_to_delete": False}
        code, health = system.health()
        assert code == 503
        assert "/engine/resume" in health["workers"][0]["reason"]
        assert server.metric("service", state="draining") == 1
        assert server.metric("safe_to_delete") == 0
        # Again it is no failure.
        done(system.control("drain"), "draining")
        launcher.latches.release("go")
        assert read_text(stream)[0].strip() == REST
    becomes_safe_to_delete(system)
    assert system.status() == {"state": "drained", "in_flight": 0, "safe_to_delete": True}
    assert server.metric("service", state="drained") == 1
    assert server.metric("service", state="draining") == 0
    assert server.metric("safe_to_delete") == 1

    done(system.control("resume"), "serving")
    assert system.is_ready()
    done(system.control("resume"), "serving")
    until(
        lambda: server.api.complete(PROMPT, model=server.model).status == 200, "requests come again"
    )
    assert server.process.terminate() == 0


def test_a_worker_is_gone_from_discovery_while_it_is_drained(launcher: Launcher) -> None:
    process, system = serve(launcher, "controlled:Sleeper")
    done(system.control("drain"), "drained")
    assert instances(launcher) == []
    done(system.control("dynamo.backend.generate/resume"), "serving")
    assert len(instances(launcher)) == 1
    done(system.control("drain"), "drained")
    assert process.terminate() == 0


def test_etcd_has_a_worker_again_that_was_drained(launcher: Launcher) -> None:
    etcd = Etcd(launcher)
    etcd.start()
    port = launcher.ports.reserve()
    env = {"DYN_SYSTEM_PORT": str(port), "ETCD_ENDPOINTS": etcd.url}
    workers = [
        launcher.command("serve", "controlled:Sleeper", "--discovery-backend", "etcd", env=each)
        for each in (env, {"ETCD_ENDPOINTS": etcd.url})
    ]
    for worker in workers:
        worker.wait_for_line("^Serving on ")
    system = System(port)
    before = sorted(etcd.instances()), sorted(etcd.cards())
    # Of two workers, the card leaves too.
    done(system.control("drain"), "drained")
    assert (len(etcd.instances()), len(etcd.cards())) == (1, 1)
    done(system.control("resume"), "serving")
    assert (sorted(etcd.instances()), sorted(etcd.cards())) == before
    assert [worker.terminate() for worker in workers] == [0, 0]


def test_a_worker_that_could_not_leave_serves_as_before(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    [own] = instances(launcher)
    # With another worker beside it, the card leaves first.
    serve(launcher, "controlled:Sleeper")
    record = own.read_text()
    own.unlink()
    # What is no file cannot be removed as one.
    own.mkdir()
    for control in ("sleep", "drain"):
        refused(system.control(control), "could not be unregistered")
        assert len(cards(launcher)) == 2
        assert system.status()["state"] == "serving"
    own.rmdir()
    own.write_text(record)
    done(system.control("drain"), "drained")
    assert (len(instances(launcher)), len(cards(launcher))) == (1, 1)
    done(system.control("resume"), "serving")
    assert (len(instances(launcher)), len(cards(launcher))) == (2, 2)


def test_the_card_comes_back_when_frontends_have_heard_of_the_instance(launcher: Launcher) -> None:
    env = {"DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": "1"}
    _, system = serve(launcher, "controlled:Sleeper", env=env)
    serve(launcher, "controlled:Sleeper")
    done(system.control("drain"), "draining")
    becomes_safe_to_delete(system)
    with ThreadPoolExecutor(1) as pool:
        resumed = pool.submit(system.control, "resume")
        until(lambda: len(instances(launcher)) == 2, "the instance is back")
        # A frontend that hears of it now has the time to hear of it in every place.
        time.sleep(0.1)
        assert len(cards(launcher)) == 1
    done(resumed.result(), "serving")
    assert len(cards(launcher)) == 2


@pytest.mark.parametrize(
    ("other", "leaves"),
    [
        ({"DYN_NAMESPACE_WORKER_SUFFIX": "staging"}, True),
        ({"DYN_NAMESPACE": "dynamo-staging"}, False),
    ],
)
def test_the_card_leaves_first_where_another_generation_stays(
    launcher: Launcher, other: dict[str, str], leaves: bool
) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    [own] = cards(launcher)
    serve(launcher, "controlled:Sleeper", env=other)
    done(system.control("drain"), "drained")
    assert own.exists() != leaves


def test_a_signal_while_it_drains_cuts_nothing(launcher: Launcher, server: Server) -> None:
    with server.begun() as stream:
        done(server.system.control("drain"), "draining")
        server.process.send(signal.SIGTERM)
        server.process.wait_for_line("waiting for 1 requests in flight")
        refused(server.system.control("resume"), "resume", "shutting down")
        refused(server.system.control("drain"), "drain", "shutting down")
        launcher.latches.release("go")
        assert read_text(stream)[0].strip() == REST
    assert server.process.wait() == 0


def test_a_caller_that_hangs_up_stops_nothing_halfway(launcher: Launcher) -> None:
    # With another worker beside it, leaving takes a moment.
    serve(launcher, "controlled:Sleeper")
    _, system = serve(launcher, "controlled:Sleeper")
    caller = system.hang_up_on("drain", {})
    until(lambda: system.status()["state"] == "draining", "the worker leaves")
    caller.close()
    until(lambda: system.status()["state"] == "drained", "the worker is drained")
    assert len(instances(launcher)) == 1
    done(system.control("resume"), "serving")
    assert len(instances(launcher)) == 2


def test_who_sleeps_and_was_drained_returns_when_neither_holds(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    done(system.control("drain"), "drained")
    assert system.control("sleep").json["status"] == "ok"
    assert system.control("wake_up").json["status"] == "ok"
    assert instances(launcher) == []
    assert system.control("sleep").json["status"] == "ok"
    done(system.control("resume"), "drained")
    assert instances(launcher) == []
    assert system.control("wake_up").json["status"] == "ok"
    assert len(instances(launcher)) == 1


def test_a_worker_that_does_not_serve_yet_is_starting(launcher: Launcher) -> None:
    port = launcher.ports.reserve()
    launcher.command(
        "serve",
        "controlled:SlowBothWays",
        "--discovery-backend",
        "file",
        env={"DYN_SYSTEM_PORT": str(port)},
    )
    launcher.latches.reached("start")
    system = System(port)
    assert system.status() == {"state": "starting", "in_flight": 0, "safe_to_delete": False}
    for name in ("drain", "resume"):
        refused(system.control(name), name, "does not serve yet")


def test_section_12_6_each_route_has_its_method(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    for name, allowed, others in [
        ("drain", "POST", ["GET", "HEAD", "PUT", "DELETE"]),
        ("resume", "POST", ["GET", "HEAD", "PUT", "DELETE"]),
        ("status", "GET", ["POST", "PUT", "DELETE"]),
    ]:
        for method in others:
            answer = system.request(method, f"/engine/{name}")
            assert (answer.status, answer.headers["allow"]) == (405, allowed)
    assert system.status()["state"] == "serving"
    assert system.get("/engine/other.backend.generate/status").status == 404


def test_an_engines_control_of_that_name_has_the_longer_path(launcher: Launcher) -> None:
    process, system = serve(launcher, "controlled:Namesake")
    process.wait_for_line("/engine/drain is the worker's own.*/engine/control/drain")
    for path in ("control/drain", "control/dynamo.backend.generate/drain"):
        assert system.control(path).json == {"status": "ok", "of": "the engine"}
    assert system.status()["state"] == "serving"
    done(system.control("drain"), "drained")


def test_a_prefill_worker_is_safe_to_delete_when_its_engine_has_handed_over(
    launcher: Launcher,
) -> None:
    _, system = serve(launcher, "controlled:HandsOver", "--disaggregation-mode", "Prefill")
    done(system.control("drain"), "drained")
    assert not system.status()["safe_to_delete"]
    launcher.latches.release("handed-over")
    becomes_safe_to_delete(system)
    launcher.latches.withdraw("handed-over")
    until(lambda: not system.status()["safe_to_delete"], "it is busy again")


def test_section_7_an_engine_is_put_to_sleep_when_its_requests_have_finished(
    launcher: Launcher, server: Server
) -> None:
    with server.begun() as stream:
        caller = server.system.hang_up_on("sleep", {"reach": "told"})
        until(lambda: server.system.status()["state"] == "draining", "the worker leaves")
        assert not launcher.latches.is_reached("told")
        launcher.latches.release("go")
        assert read_text(stream)[0].strip() == REST
        launcher.latches.reached("told")
    caller.close()
    assert server.system.control("state").json["calls"] == 1


def test_section_7_what_takes_longer_than_the_limit_is_cut_and_counted(
    launcher: Launcher, model_folder: str
) -> None:
    server = Server(launcher, model_folder, DYN_SLEEP_DRAIN_TIMEOUT_SECS="0.5")
    with server.begun() as stream:
        assert server.system.control("sleep").json["status"] == "ok"
        assert failed(list(stream.events()))
    assert server.metric("requests_cut_total") == 1
    server.process.wait_for_line("1 requests were cut before the engine was called")
    # A shutdown that cuts nothing is a good one all the same.
    assert server.process.terminate() == 0


def test_section_7_a_pause_holds_its_requests(launcher: Launcher, server: Server) -> None:
    with server.begun() as stream:
        assert server.system.control("pause_generation").json["status"] == "ok"
        assert server.system.control("resume_generation").json["status"] == "ok"
        launcher.latches.release("go")
        assert read_text(stream)[0].strip() == REST


def test_a_signal_ends_a_sleep_that_waits_for_requests(launcher: Launcher, server: Server) -> None:
    with server.begun() as stream:
        caller = server.system.hang_up_on("sleep", {"reach": "told"})
        until(lambda: server.system.status()["state"] == "draining", "the worker leaves")
        server.process.send(signal.SIGTERM)
        server.process.wait_for_line("waiting for 1 requests in flight")
        launcher.latches.release("go")
        assert read_text(stream)[0].strip() == REST
    assert server.process.wait() == 0
    assert not launcher.latches.is_reached("told")
    caller.close()
