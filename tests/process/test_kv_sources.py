"""Section 9: where KV events come from, what is refused, and what a publisher takes."""

import json
from itertools import chain

import pytest

from support.event_plane import EventPlane, discovered
from support.launcher import Launcher
from support.metrics import sample
from support.processes import Process, until
from support.system import System, serve

ERROR = "dynamo-backend: error: "
FILE = ("--discovery-backend", "file")

REFUSED = {
    "a source": ["returned PushKvEvents", "a list of sources"],
    "none": ["returned NoneType", "a list of sources"],
    "text": ["source 0", "str is no source", "ZmqKvEvents", "PushKvEvents"],
    "another thing": ["source 0", "Source is no source", "ZmqKvEvents", "PushKvEvents"],
    "rank twice": ["source 1 of 2", "dp_rank 0 is that of source 0"],
    "rank beyond": ["source 1 of 2", "dp_rank 2", "data_parallel_size 2"],
    "rank negative": ["source 1", "PushKvEvents.dp_rank is -1", "4294967295"],
    "rank as text": ["source 0", "PushKvEvents.dp_rank is '0'"],
    "rank as bool": ["source 0", "ZmqKvEvents.dp_rank is True"],
    "no callable": ["source 0", "PushKvEvents.on_ready is None", "a callable"],
    "no scheme": ["source 1 of 2", "'127.0.0.1:5557': has no transport", "tcp://HOST:PORT"],
    "no port": ["source 0 of 1", "'tcp://127.0.0.1': has no port"],
    "wrong port": ["source 0 of 1", "'tcp://127.0.0.1:99999'", "from 1 to 65535"],
    "no text": ["source 0", "ZmqKvEvents.endpoint is 5557", "a str"],
    "image token as text": ["source 0", "PushKvEvents.image_token_id is '<image>'", "an int"],
    "negative video token": ["source 0", "ZmqKvEvents.video_token_id is -1", "4294967295, or None"],
    "one token for two": ["source 0 of 1", "image_token_id and video_token_id are both 7"],
    "no topic": ["source 0", "ZmqKvEvents.topic is None", "a str"],
}
RAISED = {
    "raises": ("kv_event_sources", "RuntimeError: no second source", "generated"),
    "on_ready raises": (
        "publishers",
        "on_ready of dp_rank 1: RuntimeError: no room for a publisher",
        "raises",
    ),
    "on_ready raises later": (
        "publishers",
        "on_ready of dp_rank 0: RuntimeError: no room for a publisher",
        "raises_later",
    ),
    "on_ready exits": (
        "publishers",
        "on_ready raised SystemExit: no room for a publisher",
        "exits",
    ),
}


def fails(launcher: Launcher, name: str) -> tuple[str, Process]:
    """Serves an engine whose start must fail; returns the message, and the process."""
    process = launcher.command("serve", "kv_sources:Declared", *FILE, "--", name)
    assert process.wait() == 1
    assert launcher.latches.is_reached("cleanup")
    assert not (launcher.folder / "discovery" / "v1" / "mdc").exists()
    # The runtime's tasks may log after it.
    [message] = [line for line in process.stderr.splitlines() if line.startswith(ERROR)]
    return message.removeprefix(ERROR), process


@pytest.mark.parametrize("name", REFUSED)
def test_sources_that_cannot_work_end_the_start_and_are_named(
    launcher: Launcher, name: str
) -> None:
    message, _ = fails(launcher, name)
    assert message.startswith("kv_event_sources: ")
    assert message.count("kv_event_sources") == 1
    for part in REFUSED[name]:
        assert part in message


@pytest.mark.parametrize("name", RAISED)
def test_what_an_engine_raises_ends_the_start_with_its_traceback(
    launcher: Launcher, name: str
) -> None:
    step, said, frame = RAISED[name]
    message, process = fails(launcher, name)
    assert message.startswith(f"{step}: ")
    assert said in message
    assert process.output.count("Traceback (most recent call last)") >= 1
    assert f", in {frame}\n" in process.output


def test_a_publisher_takes_what_engines_have_and_refuses_the_rest_by_name(
    launcher: Launcher,
) -> None:
    serve(launcher, "kv_calls:Calls")
    assert json.loads(launcher.latches.reached("wrong")) == []
    assert launcher.latches.reached("publisher") == "KvPublisher(dp_rank=0, block_size=8)"


def test_a_publisher_that_the_engine_keeps_does_nothing_after_the_run(launcher: Launcher) -> None:
    process = launcher.script("kept_publisher")
    assert process.wait() == 0, process.output
    # It checks what it is given all the same.
    assert "wrong [[], []]" in process.stdout
    assert "threads ['MainThread']" in process.stdout


def test_without_a_block_size_there_are_snapshots_and_no_kv_events(launcher: Launcher) -> None:
    process, system = serve(launcher, "kv_sources:WithoutBlockSize")
    process.wait_for_line("WARN.*KV events are off.*kv_cache_block_size")
    launcher.latches.reached("snapshots")
    until(lambda: gauge(system, "total_blocks") == ["10"], "the gauge has the snapshot")
    assert launcher.latches.is_reached("kv_event_sources")
    assert process.terminate() == 0
    assert not launcher.latches.is_reached("kv_events")


def test_without_kv_routing_the_engine_is_not_asked(launcher: Launcher) -> None:
    process, _ = serve(launcher, "kv_sources:WithoutBlockSize", "--no-enable-kv-routing")
    assert process.terminate() == 0
    assert "KV events are off" not in process.output
    assert launcher.latches.is_reached("setup_metrics")
    for hook in ("kv_event_sources", "kv_events", "snapshots"):
        assert not launcher.latches.is_reached(hook), hook


@pytest.mark.parametrize(
    ("mode", "option", "indexed"),
    [
        ("agg", "--enable-local-indexer", True),
        ("prefill", "--enable-local-indexer", True),
        ("agg", "--no-enable-local-indexer", False),
        ("decode", "--enable-local-indexer", True),
        ("decode", "--no-enable-local-indexer", False),
    ],
)
def test_kv_publishers_and_the_card_have_the_effective_local_indexer(
    launcher: Launcher, mode: str, option: str, indexed: bool
) -> None:
    serve(launcher, "caching:Pushing", option, "--disaggregation-mode", mode)
    [source] = discovered(launcher, "event_sources", 1)
    [card] = discovered(launcher, "mdc", 1)
    assert ("recovery_target" in source["metadata"]) is indexed
    assert card["card_json"]["runtime_config"]["enable_local_indexer"] is indexed


def test_section_5_what_an_engine_publishes_while_it_cleans_up_still_goes_out(
    launcher: Launcher,
) -> None:
    process, _ = serve(launcher, "kv_sources:LastWords")
    with EventPlane(launcher) as events:
        assert process.terminate() == 0
        events.until_told_of([0x0123456789ABCDEF])


def test_events_of_many_threads_at_once_arrive_whole_and_in_the_order_of_each(
    launcher: Launcher,
) -> None:
    process, system = serve(launcher, "kv_sources:ManyThreads")
    with EventPlane(launcher) as events:
        published = system.control("publish").json["published"]
        told = events.until_told_of(chain.from_iterable(published))
    assert len(published) == 8
    for own in map(set, published):
        assert [block for block in told if block in own] == sorted(own)
    # Events that others overtake look to the runtime as lost ones.
    assert "gap" not in process.output


def test_a_batch_leaves_in_one_message(launcher: Launcher) -> None:
    _, system = serve(launcher, "kv_sources:Batching")
    hashes = [0xC0FFEE0000000000 | number for number in range(100)]
    for together, messages in [(True, 1), (False, len(hashes))]:
        with EventPlane(launcher) as events:
            body = {"hashes": hashes, "together": together}
            assert system.control("publish", body).json == {"status": "ok"}
            assert events.messages_until_told_of(hashes[-1]) == messages


def test_a_socket_that_is_bound_later_and_everywhere_is_found(launcher: Launcher) -> None:
    port = launcher.ports.reserve()
    _, system = serve(launcher, "kv_sources:BindsLate", "--", str(port))
    stored = 0xC0FFEE00C0FFEE00
    with EventPlane(launcher) as events:
        assert system.control("publish", {"hashes": [stored]}).json == {"status": "ok"}
        assert events.until_told_of([stored]) == [stored]


DROPPED = "dynamo_component_worker_kv_events_dropped_total"


def test_what_vllm_writes_on_its_socket_is_taken_whole_and_what_is_wrong_left_out_by_name(
    launcher: Launcher,
) -> None:
    process, system = serve(launcher, "kv_sources:OnSocket")
    assert system.control("subscribed").json == {"status": "ok"}
    messages = [
        *("two elements", "digests", "digests removed", "unknown kind", "wrong hash", "wrong size"),
        *("no batch", "no batch", "unknown kind", "last"),
    ]
    good = [0xC0FFEE0000000000 | number for number in (1, 2, 3, 4, 255)]
    good += [0xD16E57D16E57D16E, 0xFA17E2FA17E2FA17]
    with EventPlane(launcher) as events:
        assert system.control("publish", {"messages": messages}).json == {"status": "ok"}
        assert sorted(events.until_told_of(good)) == sorted(good)
    text = system.get("/metrics").text
    for field, number in [("type", 2), ("block_hashes", 1), ("block_size", 1), ("batch", 2)]:
        assert sample(text, DROPPED, reason=field, dp_rank="0") == number, field
        process.wait_for_line(f"WARN.*socket are dropped: '{field}'")
        assert process.output.count(f"socket are dropped: '{field}'") == 1
    assert sample(text, DROPPED, reason="token_ids", dp_rank="0") == 0
    assert process.terminate() == 0


def test_that_events_are_lost_is_told_once(launcher: Launcher) -> None:
    env = {"DYN_ZMQ_BROKER_ENABLED": "true"}
    process, system = serve(launcher, "kv_sources:ManyThreads", env=env)
    process.wait_for_line("ERROR.*no broker found")
    assert system.control("publish").status == 200
    process.wait_for_line("WARN.*KV events are lost.*dp_rank=0")
    assert process.terminate() == 0
    assert process.output.count("KV events are lost") == 1


def gauge(system: System, name: str) -> list[str]:
    """The values of a gauge of the ranks."""
    lines = system.get("/metrics").text.splitlines()
    return [line.split()[-1] for line in lines if line.startswith(f"dynamo_component_{name}")]
