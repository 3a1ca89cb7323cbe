"""ai-dynamo's configurations as ours; `tests/interop` has those that it makes itself."""

from __future__ import annotations

from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest

from dynamo_backend_common import EngineConfig, InvalidArgument, RuntimeConfig, WorkerConfig
from dynamo_backend_common.reference.engine_config import flattened
from dynamo_backend_common.reference.spans import attributes
from dynamo_backend_common.reference.worker_config import FIELDS, merged


class Mode(Enum):
    AGGREGATED = "agg"
    PREFILL = "prefill"
    OTHER = "other"


def theirs(**fields: Any) -> Any:
    """Their ``WorkerConfig`` with its defaults."""
    given: dict[str, Any] = {
        name: getattr(WorkerConfig(), name) for name in FIELDS if hasattr(WorkerConfig(), name)
    }
    defaults: dict[str, Any] = {
        "namespace": "theirs",
        "discovery_backend": "etcd",
        "request_plane": "tcp",
        "response_plane": "tcp",
        "event_plane": None,
        "model_input": "ModelInput.Tokens",
        "metrics_labels": [],
        "disaggregation_mode": Mode.AGGREGATED,
        "structural_tag": None,
        "use_kv_events": False,
        "route_to_encoder": False,
        "media_decoder": None,
        "media_fetcher": None,
    }
    return SimpleNamespace(**given | defaults | fields)


def test_what_both_have_is_theirs_and_the_rest_stays() -> None:
    own = WorkerConfig(
        namespace="ours",
        max_concurrent_requests=7,
        namespace_worker_suffix="v2",
        runtime=RuntimeConfig(discovery_backend="mem", system_port=9, grace_period_seconds=1),
    )
    config = merged(own, theirs(metrics_labels=[("a", "b")], disaggregation_mode=Mode.PREFILL))
    assert (config.namespace, config.max_concurrent_requests) == ("theirs", 7)
    assert config.effective_namespace == "theirs-v2"
    assert config.metrics_labels == (("a", "b"),)
    assert config.disaggregation_mode == "Prefill"
    assert config.structural_tag_mode == "Off"
    assert config.runtime == RuntimeConfig(
        discovery_backend="etcd",
        request_plane="tcp",
        response_plane="tcp",
        system_port=9,
        grace_period_seconds=1,
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"disaggregation_mode": Mode.OTHER}, "disaggregation_mode: OTHER cannot be served"),
        ({"disaggregation_mode": "prefill"}, "disaggregation_mode: prefill cannot be served"),
        ({"structural_tag": {"scpoe": 1}}, "structural_tag: scpoe is unknown; accepted: scope"),
        ({"media_decoder": object()}, "media_decoder"),
        ({"media_fetcher": object()}, "media_fetcher"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        merged(WorkerConfig(), theirs(**fields))
    assert str(refused.value).startswith(said)


def test_what_is_deprecated_there_is_ignored_here_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="use_kv_events is ignored"):
        merged(WorkerConfig(), theirs(use_kv_events=True))


def test_what_start_returned_becomes_one_class() -> None:
    llm = SimpleNamespace(
        **{
            name: getattr(EngineConfig(model="m"), name)
            for name in EngineConfig.__dataclass_fields__
            if name not in ("model", "served_model_name", "model_aliases", "runtime_data")
        }
        | {"context_length": 512, "enable_eagle": True, "max_gpu_lora_count": 2}
    )
    given = SimpleNamespace(
        model="m", served_model_name="s", model_aliases=["t"], runtime_data=None, llm=llm
    )
    assert flattened(given) == EngineConfig(
        model="m",
        served_model_name="s",
        model_aliases=("t",),
        context_length=512,
        enable_eagle=True,
        max_gpu_lora_count=2,
    )
    given.llm = None
    assert flattened(given).context_length is None


@pytest.mark.parametrize("wrong", [EngineConfig(model="m"), None, {"model": "m"}])
def test_what_is_no_engine_config_of_theirs(wrong: object) -> None:
    with pytest.raises(InvalidArgument, match=r"EngineConfig of|returns that of"):
        flattened(wrong)


def test_attributes_of_a_span_are_what_a_trace_can_have() -> None:
    given: dict[Any, Any] = {
        "text": "a",
        "flag": True,
        "whole": 3,
        "part": 0.5,
        "huge": 2**64,
        "other": [1],
        7: None,
    }
    assert attributes(given) == {
        "text": "a",
        "flag": True,
        "whole": 3,
        "part": 0.5,
        "huge": str(2**64),
        "other": "[1]",
        "7": "None",
    }
    assert attributes(None) == {}
