"""KV events while NATS, which carries them, is silent or gone."""

import pytest

from support.fleet import REQUESTS, Fleet
from support.launcher import Launcher
from support.processes import until
from support.servers import Nats

pytestmark = [pytest.mark.frontend, pytest.mark.timeout(300)]


@pytest.fixture
def nats(launcher: Launcher) -> Nats:
    server = Nats(launcher)
    server.start()
    return server


@pytest.fixture
def fleet(launcher: Launcher, model_folder: str, nats: Nats) -> Fleet:
    plane = ("--event-plane", "nats")
    env = {"NATS_SERVER": nats.url}
    return Fleet(launcher, model_folder, "caching:Pushing", *plane, env=env)


def test_section_9_publishing_waits_for_no_network_and_loses_nothing(
    fleet: Fleet, nats: Nats
) -> None:
    prefixes = [fleet.prefix() for _ in range(100)]
    nats.suspend()
    for prefix in prefixes:
        fleet.tell((0, 1), "stored", prefix)
    fleet.tell((0, 1), "removed", prefixes[0])
    fleet.tell((1, 2), "stored", prefixes[0])
    nats.resume()
    for prefix in prefixes[1:]:
        fleet.until_it_leads_to((0, 1), prefix)
    fleet.until_it_leads_to((1, 2), prefixes[0])


def test_more_blocks_at_once_than_a_message_takes_are_no_fault(fleet: Fleet, nats: Nats) -> None:
    prefix = fleet.prefix()
    fleet.tell((1, 2), "stored", prefix)
    fleet.until_it_leads_to((1, 2), prefix)
    fleet.tell((1, 2), "removed_among_many", prefix)
    fleet.until_it_leads_nowhere(prefix)
    for process, _ in fleet.workers:
        assert "Failed to publish" not in process.output


def test_publishing_resumes_when_nats_is_back_and_requests_never_notice(
    fleet: Fleet, nats: Nats
) -> None:
    before, after = fleet.prefix(), fleet.prefix()
    fleet.tell((0, 0), "stored", before)
    fleet.until_it_leads_to((0, 0), before)
    nats.kill()
    assert fleet.ask(before)[0, 0] == REQUESTS
    nats.start()
    assert fleet.ask(before)[0, 0] == REQUESTS

    def leads() -> bool:
        # An event is lost while one side alone is back.
        fleet.tell((1, 3), "stored", after)
        return fleet.ask(after, 8)[1, 3] == 8

    until(leads, "requests go where their prefix was announced")
    assert [worker.terminate() for worker, _ in fleet.workers] == [0, 0]
