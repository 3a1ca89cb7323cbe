"""What a prefill asks its connector for, what it answers, and what a decode makes of it."""

from types import SimpleNamespace
from typing import Any

import pytest

from dynamo_backend_common import HEALTH_CHECK_KEY
from dynamo_backend_common.engines.vllm.transfer import Transfer
from dynamo_backend_common.exceptions import InvalidArgument

OF_ENGINE = {"do_remote_prefill": True, "remote_block_ids": [[3, 4]], "remote_port": 5600}
PROBE = {HEALTH_CHECK_KEY: True}


def transfer(mode: Any, connector: str | None = "NixlConnector", **extra: Any) -> Transfer:
    given = SimpleNamespace(
        kv_connector=connector, engine_id="outer", kv_connector_extra_config=extra
    )
    config: Any = SimpleNamespace(kv_transfer_config=None if connector is None else given)
    return Transfer(config, mode)


def prefilled(params: Any, **more: Any) -> dict[str, Any]:
    return {"prefill_result": {"disaggregated_params": {"kv_transfer_params": params}, **more}}


@pytest.mark.parametrize("connector", ["NixlConnector", "NixlPushConnector", "TheirsConnector"])
def test_what_the_engine_answers_is_handed_on(connector: Any) -> None:
    handover = transfer("prefill", connector).handover({})
    assert handover is not None
    assert handover.asked["do_remote_decode"] is True
    assert handover.asked["do_remote_prefill"] is False
    assert handover.disaggregated_params(OF_ENGINE) == {"kv_transfer_params": OF_ENGINE}
    assert handover.disaggregated_params(None) == {"kv_transfer_params": {}}


@pytest.mark.parametrize("connector", ["ExampleConnector", "LMCacheMPConnector"])
def test_of_a_cache_that_both_share_nothing_is_handed_over(connector: Any) -> None:
    sharing = transfer("prefill", connector)
    handover = sharing.handover({})
    assert handover is not None
    assert not handover.asked
    assert handover.disaggregated_params(None) == {"kv_transfer_params": {}}
    assert not sharing.is_fetched
    assert transfer("prefill").is_fetched
    assert not transfer("decode").is_fetched


def test_a_connector_of_several_is_that_which_hands_over() -> None:
    children = [{"kv_connector": "OffloadingConnector"}, {"kv_connector": "NixlConnector"}]
    handover = transfer("prefill", "MultiConnector", connectors=children).handover({})
    assert handover is not None
    assert handover.asked["do_remote_decode"] is True
    handover = transfer("prefill", "MultiConnector", connectors=children[:1]).handover({})
    assert handover is not None
    assert not handover.asked


def test_what_a_prefill_said_is_taken_over() -> None:
    details = {"cached_tokens": 32}
    request = prefilled(OF_ENGINE, prompt_tokens_details=details)
    assert transfer("decode").taken_over(request) == (OF_ENGINE, details)
    # Nothing is known of its cache, and what this engine would say is not of this engine.
    assert transfer("decode").taken_over(prefilled({})) == ({}, {})


@pytest.mark.parametrize("mode", ["Aggregated", " AGG "])
def test_alone_nothing_is_transferred(mode: Any) -> None:
    alone = transfer(mode, None)
    assert alone.handover({}) is None
    assert alone.taken_over({}) is None


def test_a_probe_has_no_peer() -> None:
    assert transfer("Prefill").handover(PROBE) is None
    assert transfer("Decode").taken_over(PROBE) is None


def test_a_decode_may_be_asked_to_prefill() -> None:
    request = {"annotations": ["x-bypass-remote-prefill"]}
    assert transfer("decode").taken_over(request) is None


@pytest.mark.parametrize("mode", ["prefill", "DECODE"])
def test_without_a_connector_there_is_nothing_to_do(mode: Any) -> None:
    with pytest.raises(InvalidArgument, match="--kv-transfer-config"):
        transfer(mode, None)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({}, "prefill_result"),
        ({"prefill_result": {"disaggregated_params": {"blocks": 3}}}, "kv_transfer_params: None"),
        (prefilled([1]), r"kv_transfer_params: \[1\]"),
    ],
)
def test_a_decode_without_its_prefill_is_refused(request_: Any, message: Any) -> None:
    with pytest.raises(InvalidArgument, match=message):
        transfer("decode").taken_over(request_)
