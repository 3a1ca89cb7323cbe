"""Which of vLLM's sockets are sources of KV events."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dynamo_backend_common import WorkerConfig, ZmqKvEvents
from dynamo_backend_common.engines.vllm.kv_events import KvEvents


def publishing(endpoint: str, **more: Any) -> Any:
    given = {"enable_kv_cache_events": True, "publisher": "zmq", "endpoint": endpoint, "topic": "t"}
    return SimpleNamespace(**given | more)


def started(given: Any, by_rank: dict[int, Any], *, caches: bool = True) -> Any:
    config = SimpleNamespace(
        cache_config=SimpleNamespace(enable_prefix_caching=caches), kv_events_config=given
    )
    return SimpleNamespace(vllm_config=config, get_kv_event_sources=lambda: by_rank)


def test_each_rank_has_its_socket() -> None:
    ranks = {1: publishing("tcp://*:5558"), 0: publishing("tcp://*:5557")}
    assert KvEvents().sources(started(publishing("tcp://*:5557"), ranks)) == [
        ZmqKvEvents(endpoint="tcp://*:5557", topic="t", dp_rank=0),
        ZmqKvEvents(endpoint="tcp://*:5558", topic="t", dp_rank=1),
    ]


def test_a_port_that_vllm_chose_is_known() -> None:
    ranks = {0: publishing("tcp://192.0.2.7:40123")}
    [source] = KvEvents().sources(started(publishing("tcp://*:0"), ranks))
    assert source.endpoint == "tcp://192.0.2.7:40123"


@pytest.mark.parametrize(
    "llm",
    [
        started(None, {}),
        started(publishing("tcp://*:1", enable_kv_cache_events=False), {}),
        started(publishing("tcp://*:1", publisher="null"), {}),
        started(publishing("tcp://*:1"), {0: publishing("tcp://*:1")}, caches=False),
    ],
)
def test_without_events_there_is_no_source(llm: Any) -> None:
    assert KvEvents().sources(llm) == []


def test_an_address_that_vllm_connects_to_is_told(caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = publishing("tcp://192.0.2.7:5557")
    assert KvEvents().sources(started(elsewhere, {0: elsewhere})) == []
    assert "vLLM connects to tcp://192.0.2.7:5557" in caplog.text


@pytest.mark.parametrize(
    ("config", "given"),
    [
        (WorkerConfig(enable_kv_routing=False), {}),
        (WorkerConfig(), {"enable_prefix_caching": False}),
        (WorkerConfig(), {"kv_events_config": publishing("tcp://*:5557")}),
    ],
)
def test_events_are_not_turned_on_where_nobody_wants_them(
    config: WorkerConfig, given: dict[str, Any]
) -> None:
    engine_args = SimpleNamespace(
        **{"enable_prefix_caching": None, "kv_events_config": None} | given
    )
    before = engine_args.kv_events_config
    events = KvEvents()
    events.turn_on(engine_args, config)
    assert engine_args.kv_events_config is before
    events.close()
