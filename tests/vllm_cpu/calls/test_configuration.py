"""What this engine does not serve is refused by vLLM's configuration, before anything is loaded."""

from typing import Any

import pytest
from vllm.usage.usage_lib import UsageContext

from dynamo_backend_common.engines.vllm.configuration import vllm_config
from dynamo_backend_common.exceptions import InvalidArgument

CONTEXT = UsageContext.OPENAI_API_SERVER


@pytest.mark.parametrize(
    ("arguments", "mode", "message"),
    [
        ({"max_num_queued_reqs": 8}, "agg", "--max-num-queued-reqs: .*DYN_ENGINE_REQUEST_LIMIT"),
        ({"max_num_queued_tokens": 8}, "agg", "--max-num-queued-tokens: .*the worker has one"),
        ({}, "prefill", "disaggregation_mode is prefill, and vLLM was given no connector"),
        ({}, "decode", "disaggregation_mode is decode, and vLLM was given no connector"),
        ({"max_model_len": 100000}, "agg", "does not accept its arguments: .*max_model_len"),
    ],
)
def test_refused_before_the_start(
    engine_args: Any, arguments: Any, mode: Any, message: str
) -> None:
    with pytest.raises(InvalidArgument, match=f"(?s){message}"):
        vllm_config(engine_args(**arguments), CONTEXT, mode)


def test_accepted(engine_args: Any) -> None:
    assert vllm_config(engine_args(), CONTEXT, "agg").model_config.max_model_len == 256
