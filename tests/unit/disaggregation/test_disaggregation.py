"""The helpers for engines that prefill in one worker and decode in another."""

from typing import Any

import pytest

from dynamo_backend_common import (
    BootstrapInfo,
    InvalidArgument,
    PrefillResult,
    bootstrap_info,
    prefill_chunk,
    prefill_request,
    prefill_result,
    require_bootstrap_info,
    require_prefill_result,
)

PREFILLED = {"prefill_result": {"disaggregated_params": {"blocks": 3}}}
BOOTSTRAP = {
    "bootstrap_info": {
        "bootstrap_host": "127.0.0.1",
        "bootstrap_port": 9000,
        "bootstrap_room": 2**63 - 1,
        "handoff_id": "c8a5",
    }
}


def request(**more: Any) -> Any:
    return {"token_ids": [1, 2], "stop_conditions": {}} | more


@pytest.mark.parametrize(
    ("given", "clamped"),
    [
        ({"max_tokens": 64, "min_tokens": 9}, {"max_tokens": 1, "min_tokens": 1}),
        ({"max_tokens": None, "min_tokens": None}, {"max_tokens": 1, "min_tokens": None}),
        ({"min_tokens": 0, "stop": ["x"]}, {"max_tokens": 1, "min_tokens": 0, "stop": ["x"]}),
        ({}, {"max_tokens": 1}),
    ],
)
def test_a_prefill_makes_one_token(given: dict[str, Any], clamped: dict[str, Any]) -> None:
    original = request(stop_conditions=dict(given))
    served = prefill_request(original)
    assert served["stop_conditions"] == clamped
    assert served["token_ids"] is original["token_ids"]
    assert original["stop_conditions"] == given


def test_a_prefill_at_a_bootstrap_server_has_its_info() -> None:
    assert prefill_request(request(**BOOTSTRAP))["bootstrap_info"] == BOOTSTRAP["bootstrap_info"]


def test_a_prefilled_request_is_refused_by_a_prefill() -> None:
    with pytest.raises(InvalidArgument, match=r"^prefill_result: .* decode engine"):
        prefill_request(request(**PREFILLED))


def test_the_chunk_of_a_prefill_does_not_look_finished() -> None:
    assert prefill_chunk((5,), {"blocks": 3}) == {
        "token_ids": [5],
        "finish_reason": "length",
        "disaggregated_params": {"blocks": 3},
    }
    usage: Any = {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}
    assert prefill_chunk([], {}, completion_usage=usage)["completion_usage"] == usage


def test_a_decode_takes_the_peers_result() -> None:
    result = PrefillResult(disaggregated_params={"blocks": 3})
    assert prefill_result(request(**PREFILLED)) == result
    assert require_prefill_result(request(**PREFILLED)) == result
    info = BootstrapInfo(host="127.0.0.1", port=9000, room=2**63 - 1, handoff_id="c8a5")
    assert bootstrap_info(request(**BOOTSTRAP)) == info
    assert require_bootstrap_info(request(**BOOTSTRAP)) == info


@pytest.mark.parametrize("more", [{}, {"prefill_result": None, "bootstrap_info": None}])
def test_a_decode_without_a_peer_is_refused(more: dict[str, Any]) -> None:
    given = request(**more)
    assert prefill_result(given) is None
    assert bootstrap_info(given) is None
    with pytest.raises(InvalidArgument, match=r"^prefill_result: .* no prefill worker"):
        require_prefill_result(given)
    with pytest.raises(InvalidArgument, match=r"^bootstrap_info: .* no prefill worker"):
        require_bootstrap_info(given)


def test_two_peers_that_meet_in_different_ways_are_told_what_to_change() -> None:
    with pytest.raises(InvalidArgument, match="takes disaggregated_params"):
        require_prefill_result(request(**BOOTSTRAP))
    with pytest.raises(InvalidArgument, match="set bootstrap_host and bootstrap_port"):
        require_bootstrap_info(request(**PREFILLED))


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"prefill_result": 3}, "prefill_result.disaggregated_params"),
        ({"prefill_result": {"disaggregated_params": [1]}}, "prefill_result.disaggregated_params"),
        ({"bootstrap_info": {}}, "bootstrap_info.bootstrap_host"),
        (
            {"bootstrap_info": BOOTSTRAP["bootstrap_info"] | {"bootstrap_port": True}},
            "bootstrap_info.bootstrap_port",
        ),
        (
            {"bootstrap_info": BOOTSTRAP["bootstrap_info"] | {"bootstrap_room": "7"}},
            "bootstrap_info.bootstrap_room",
        ),
    ],
)
def test_what_is_no_peers_result_is_named(more: dict[str, Any], names: str) -> None:
    take = prefill_result if "prefill_result" in more else bootstrap_info
    with pytest.raises(InvalidArgument, match=f"^{names}: "):
        take(request(**more))
