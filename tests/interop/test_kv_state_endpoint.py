"""Dynamo's own router finds a worker's KV events where the card says that they are."""

import pytest

from support.fleet import Fleet
from support.launcher import Launcher

pytestmark = [pytest.mark.frontend, pytest.mark.timeout(300)]


def test_a_router_follows_events_of_another_endpoint(launcher: Launcher, model_folder: str) -> None:
    env = {"DYN_KV_STATE_ENDPOINT": "dynamo.backend.cache"}
    fleet = Fleet(launcher, model_folder, "caching:Pushing", "--event-plane", "zmq", env=env)
    (first, *_, last) = fleet.places
    for place in (first, last):
        prefix = fleet.prefix()
        fleet.tell(place, "stored", prefix)
        fleet.until_it_leads_to(place, prefix)
