"""Dynamo's own router sends requests to the worker and rank that announced their prefix."""

from collections.abc import Callable, Mapping

import pytest

from support.fleet import REQUESTS, Fleet
from support.launcher import Launcher
from support.servers import Nats

pytestmark = [pytest.mark.frontend, pytest.mark.timeout(300)]

ENOUGH = 95
"""Of 100 requests, those that go where their prefix is."""
Record = Callable[[str, object], None]


@pytest.fixture
def env(request: pytest.FixtureRequest, launcher: Launcher) -> Mapping[str, str]:
    """The variables of an event plane: of ZMQ there is no server."""
    if request.param == "zmq":
        return {}
    nats = Nats(launcher)
    nats.start()
    return {"NATS_SERVER": nats.url}


@pytest.mark.parametrize(
    ("engine", "plane", "env"),
    [("Pushing", "zmq", "zmq"), ("OnSocket", "zmq", "zmq"), ("Pushing", "nats", "nats")],
    indirect=["env"],
)
def test_section_9_requests_go_to_the_worker_and_rank_that_announced_their_prefix(
    launcher: Launcher,
    model_folder: str,
    engine: str,
    plane: str,
    env: Mapping[str, str],
    record_property: Record,
) -> None:
    fleet = Fleet(launcher, model_folder, f"caching:{engine}", "--event-plane", plane, env=env)
    prefixes = {place: fleet.prefix() for place in fleet.places}
    unknown = fleet.ask(fleet.prefix())
    record_property("unknown", unknown)
    assert max(unknown.values()) < ENOUGH, unknown

    for place, prefix in prefixes.items():
        fleet.tell(place, "stored", prefix)
    for place, prefix in prefixes.items():
        fleet.until_it_leads_to(place, prefix)
        served = fleet.ask(prefix)
        record_property(f"stored at {place}", served)
        assert served[place] >= ENOUGH, served

    # Removed at one, stored at another: its requests follow.
    (first, prefix), *_, (last, _) = prefixes.items()
    fleet.tell(first, "removed", prefix)
    fleet.tell(last, "stored", prefix)
    fleet.until_it_leads_to(last, prefix)
    moved = fleet.ask(prefix)
    record_property(f"moved from {first} to {last}", moved)
    assert moved[last] >= ENOUGH, moved

    for event in ("removed", "cleared"):
        fleet.tell(last, event, prefix)
        fleet.until_it_leads_nowhere(prefix)
        gone = fleet.ask(prefix)
        record_property(event, gone)
        assert gone[last] < REQUESTS / 2, gone
        fleet.tell(last, "stored", prefix)
        fleet.until_it_leads_to(last, prefix)


def test_what_was_stored_twice_is_there_until_it_is_removed_twice(
    launcher: Launcher, model_folder: str
) -> None:
    fleet = Fleet(launcher, model_folder, "caching:Pushing", env={})
    prefix, after = fleet.prefix(), fleet.prefix()
    for event in ("stored", "stored", "removed"):
        fleet.tell((0, 1), event, prefix)
    fleet.tell((0, 1), "stored", after)
    fleet.until_it_leads_to((0, 1), after)
    assert fleet.ask(prefix)[0, 1] >= ENOUGH
    fleet.tell((0, 1), "removed", prefix)
    fleet.until_it_leads_nowhere(prefix)


def test_a_frontend_that_comes_later_learns_what_was_stored(
    launcher: Launcher, model_folder: str
) -> None:
    fleet = Fleet(launcher, model_folder, "caching:Pushing", env={})
    stored, removed = fleet.prefix(), fleet.prefix()
    for prefix in (stored, removed):
        fleet.tell((1, 2), "stored", prefix)
        fleet.until_it_leads_to((1, 2), prefix)
    fleet.tell((1, 2), "removed", removed)
    fleet.replace_frontend()
    fleet.until_it_leads_to((1, 2), stored)
    fleet.until_it_leads_nowhere(removed)
