"""The helpers for engines whose media are encoded by another worker."""

from typing import Any

import pytest

from dynamo_backend_common import (
    InvalidArgument,
    encoder_chunk,
    encoder_result,
    require_encoder_result,
)


def test_a_result_is_the_end_of_its_stream() -> None:
    result = {"handle": 7}
    chunk: Any = encoder_chunk(result)
    assert chunk == {"token_ids": [], "finish_reason": "stop", "encoder_result": {"handle": 7}}
    # What the engine changes later is not what was handed over.
    result["handle"] = 8
    assert chunk["encoder_result"] == {"handle": 7}


def test_a_result_is_taken_from_the_request() -> None:
    request = {"token_ids": [1], "encoder_result": {"handle": 7}}
    assert encoder_result(request) == require_encoder_result(request) == {"handle": 7}


@pytest.mark.parametrize("request_", [{}, {"encoder_result": None}])
def test_a_request_may_have_none(request_: dict[str, Any]) -> None:
    assert encoder_result(request_) is None
    with pytest.raises(InvalidArgument, match="no encode worker served it"):
        require_encoder_result(request_)


def test_what_is_no_mapping_is_no_result() -> None:
    with pytest.raises(InvalidArgument, match="of type list, and no mapping"):
        encoder_result({"encoder_result": [7]})
