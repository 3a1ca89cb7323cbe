"""What vLLM's statistics keep of a request that is past its output processor."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from vllm.v1.metrics.stats import RequestStateStats

from dynamo_backend_common.engines.vllm.statistics import Statistics


def test_a_watermark_is_counted_where_vllm_has_them(read: Any, processor: Any) -> None:
    outputs = SimpleNamespace(lora_states=None, tracing_enabled=False)
    statistics = Statistics(SimpleNamespace(output_processor=outputs), per_request=True)
    call = read()
    request = processor.process_inputs(call.request_id, call.prompt, call.params, ("generate",))
    expected = None
    # Since 0.32.
    if "is_watermarked" in RequestStateStats.__dataclass_fields__:
        request.sampling_params.watermarking = expected = True
    counted = statistics.count(call, request)
    assert counted is not None
    assert getattr(counted.stats, "is_watermarked", None) is expected
