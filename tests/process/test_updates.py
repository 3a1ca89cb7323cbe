"""Updates of an engine: one at a time, and one that fails leaves discovery as it was."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from support.system import System, cards, instances, model_names, serve

if TYPE_CHECKING:
    from support.latches import Latches
    from support.launcher import Launcher

ENGINE = "updated:Updated"


def update(system: System, name: str, body: object = b"") -> tuple[int, dict[str, object]]:
    answer = system.control(f"update/{name}", body)
    return answer.status, answer.json


def done(answer: tuple[int, dict[str, object]]) -> None:
    assert answer == (200, {"status": "ok"})


@pytest.fixture
def worker(launcher: Launcher, model_folder: str) -> System:
    _, system = serve(launcher, ENGINE, "--model-name", model_folder)
    return system


@pytest.mark.parametrize("form", ["{}", "dynamo.backend.generate/{}"])
def test_an_update_publishes_and_withdraws_a_card(
    launcher: Launcher, worker: System, form: str
) -> None:
    before = model_names(launcher)
    done(update(worker, form.format("load"), {"name": "tuned"}))
    assert model_names(launcher) == {*before, "tuned"}
    done(update(worker, form.format("unload"), {"name": "tuned"}))
    assert model_names(launcher) == before
    assert len(instances(launcher)) == 1


@pytest.mark.parametrize("aside", [False, True], ids=["itself", "in a task"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"raise": "no memory"}, 500),
        ({"reply": {"status": "Error", "message": "no memory"}}, 200),
        ({"reply": {"success": False, "message": "no memory"}}, 200),
    ],
    ids=["raises", "replies an error", "replies no success"],
)
def test_of_one_that_fails_halfway_nothing_is_half_registered(
    launcher: Launcher, worker: System, body: dict[str, object], status: int, aside: bool
) -> None:
    done(update(worker, "load", {"name": "there"}))
    before = model_names(launcher)
    for name, adapter in [("load", "tuned"), ("load", "there"), ("unload", "there")]:
        answer = update(worker, name, body | {"name": adapter, "aside": aside})
        assert answer[0] == status, answer
        assert "no memory" in str(answer[1]["message"])
        assert model_names(launcher) == before
    # It is not remembered either.
    done(update(worker, "load", {"name": "tuned"}))
    done(update(worker, "unload", {"name": "there"}))
    assert model_names(launcher) == before - {"there"} | {"tuned"}


def test_what_a_failed_update_left_running_publishes_nothing(
    launcher: Launcher, model_folder: str
) -> None:
    _, system = serve(launcher, "updated:LateTask", "--model-name", model_folder)
    before = model_names(launcher)
    assert update(system, "load", {"name": "tuned", "raise": "no"})[0] == 500
    launcher.latches.release("later")
    assert "has failed, and what it did is undone" in launcher.latches.reached("late")
    assert model_names(launcher) == before


def test_a_control_that_acts_beside_an_update_that_fails_keeps_its_card(
    launcher: Launcher, worker: System
) -> None:
    before = model_names(launcher)
    with ThreadPoolExecutor() as pool:
        body = {"name": "tuned", "reach": "there", "pass": "on", "raise": "no"}
        failing = pool.submit(update, worker, "load", body)
        launcher.latches.reached("there")
        assert worker.control("load_lora", {"name": "other"}).json == {"status": "ok"}
        launcher.latches.release("on")
        assert failing.result()[0] == 500
    assert model_names(launcher) == {*before, "other"}


def test_those_that_come_at_once_wait_for_each_other(launcher: Launcher, worker: System) -> None:
    before = model_names(launcher)
    with ThreadPoolExecutor(8) as pool:
        names = [f"adapter-{number}" for number in range(8)]
        for answer in pool.map(lambda name: update(worker, "load", {"name": name}), names):
            done(answer)
    assert update(worker, "most") == (200, {"most": 1})
    assert model_names(launcher) == {*before, *names}


def test_an_adapters_card_has_no_other_name_of_the_models(
    launcher: Launcher, model_folder: str
) -> None:
    _, system = serve(launcher, "updated:Aliased", "--model-name", model_folder)
    done(update(system, "load", {"name": "tuned"}))
    records = (json.loads(path.read_text())["card_json"] for path in cards(launcher))
    aliases = {card["display_name"]: card.get("aliases", []) for card in records}
    assert aliases.pop("tuned") == []
    assert list(aliases.values()) == [["parrot"]]
    status, reply = update(system, "load", {"name": "parrot"})
    assert status == 500
    assert "not the model's own" in str(reply["message"])


def test_it_is_performed_while_the_engine_sleeps(launcher: Launcher, worker: System) -> None:
    before = model_names(launcher)
    assert worker.control("sleep").json["status"] == "ok"
    done(update(worker, "load", {"name": "tuned"}))
    assert (instances(launcher), model_names(launcher)) == ([], {*before, "tuned"})
    assert worker.control("wake_up").json["status"] == "ok"
    assert len(instances(launcher)) == 1


def test_a_caller_that_hangs_up_leaves_it_whole(launcher: Launcher, worker: System) -> None:
    before = model_names(launcher)
    caller = worker.hang_up_on("update/load", {"name": "tuned", "before": "on"})
    launcher.latches.reached("before")
    caller.close()
    launcher.latches.release("on")
    done(update(worker, "load", {"name": "other"}))
    assert model_names(launcher) == {*before, "tuned", "other"}


def test_a_shutdown_waits_for_it_and_the_next_is_refused(
    launcher: Launcher, model_folder: str
) -> None:
    process, system = serve(
        launcher,
        ENGINE,
        "--model-name",
        model_folder,
        env={"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "120"},
    )
    latches: Latches = launcher.latches
    with ThreadPoolExecutor() as pool:
        first = pool.submit(
            update, system, "load", {"name": "tuned", "reach": "there", "pass": "on"}
        )
        latches.reached("there")
        process.send(signal.SIGTERM)
        process.wait_for_line("Worker state.*Draining")
        status, reply = update(system, "unload", {"name": "tuned"})
        assert status == 200
        assert "shutting down, and nothing was done" in str(reply["message"])
        latches.release("on")
        done(first.result())
    assert process.wait() == 0
    assert not latches.is_reached("beside")
    assert model_names(launcher) == set()


def test_what_is_no_update_is_told_those_that_are(worker: System) -> None:
    status, reply = update(worker, "lod", {"name": "tuned"})
    assert status == 404
    assert reply["message"] == (
        "no engine update 'lod'; supported: update/load, update/model_taints, update/most,"
        " update/unload"
    )
    # Controls and updates are apart.
    assert worker.control("load", {"name": "tuned"}).status == 404
    assert update(worker, "load_lora", {"name": "tuned"})[0] == 404


def test_bodies(launcher: Launcher, worker: System) -> None:
    before = model_names(launcher)
    assert update(worker, "load", b"{name: 1}")[0] == 400
    bodies: tuple[object, ...] = ([], "tuned", 1, None)
    for body in bodies:
        status, reply = update(worker, "load", body)
        assert (status, reply["status"]) == (200, "error")
        assert reply["message"] == "engine update request body must be a JSON object"
    assert update(worker, "most") == (200, {"most": 0})
    assert model_names(launcher) == before


def test_it_passes_the_same_gate_as_controls(launcher: Launcher, model_folder: str) -> None:
    _, system = serve(
        launcher, ENGINE, "--model-name", model_folder, env={"DYN_SYSTEM_TOKEN": "secret"}
    )
    before = model_names(launcher)
    stranger = System(system.port)
    for name in ("load", "model_taints"):
        assert update(stranger, name, {"name": "tuned", "taints": ["no"]})[0] == 401
        answer = system.request("GET", f"/engine/update/{name}")
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert model_names(launcher) == before
    done(update(system, "load", {"name": "tuned"}))


def test_an_engine_cannot_have_an_update_of_the_workers_own(launcher: Launcher) -> None:
    process = launcher.command("serve", "updated:OwnTaints", "--discovery-backend", "file")
    assert process.wait() == 1
    assert "supported_updates: 'model_taints' is the worker's own" in process.output
    assert model_names(launcher) == set()


def test_a_control_that_the_engine_would_refuse_leaves_discovery_untouched(
    launcher: Launcher, worker: System
) -> None:
    [record] = instances(launcher)
    since = record.stat().st_ino
    answer = worker.control("sleep", {"level": 3})
    assert answer.status == 200
    assert answer.json == {
        "status": "error",
        "message": "sleep: level is 0, 1 or 2, not 3",
    }
    assert worker.is_ready()
    assert [path.stat().st_ino for path in instances(launcher)] == [since]
    assert worker.control("sleep", {"level": 2}).json == {"status": "ok"}
    assert instances(launcher) == []


def test_a_check_that_answers_is_an_error(launcher: Launcher) -> None:
    _, system = serve(launcher, "updated:AsksWrongly")
    answer = system.control("sleep")
    assert answer.json["status"] == "error"
    assert "validate_engine_control: must return None" in answer.json["message"]
    assert len(instances(launcher)) == 1
