"""Their ``WorkerConfig``, which ``from_args`` returns, as ours."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from ..config import ModelInput
from ..exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config import WorkerConfig

_SAME = (
    "namespace",
    "component",
    "endpoint",
    "model_name",
    "served_model_name",
    "endpoint_types",
    "custom_jinja_template",
    "tool_call_parser",
    "reasoning_parser",
    "exclude_tools_when_tool_choice_none",
    "enable_local_indexer",
    "enable_kv_routing",
    "health_check_payload",
    "default_thinking_mode",
    "kv_state_endpoint",
    "route_to_encoder",
)
_OF_RUNTIME = ("discovery_backend", "request_plane", "response_plane", "event_plane")
_CONVERTED = ("model_input", "metrics_labels", "disaggregation_mode")
# Its keys, and our fields.
_STRUCTURAL_TAG = {
    "scope": "structural_tag_scope",
    "schema": "structural_tag_schema",
    "allow_tool_calls_with_structured_output": "structural_tag_with_structured_output",
    "exclude_special_tokens": "structural_tag_exclude_special_tokens",
    "reasoning_boundary": "structural_tag_reasoning_boundary",
    "tool_arguments_any_order": "structural_tag_arguments_any_order",
}
_STRUCTURAL_TAG_MODE = "structural_tag_mode"

FIELDS = frozenset(
    (*_SAME, *_OF_RUNTIME, *_CONVERTED, *_STRUCTURAL_TAG.values(), _STRUCTURAL_TAG_MODE)
)
"""Our fields that theirs decides."""

_MODES = {
    "AGGREGATED": "Aggregated",
    "PREFILL": "Prefill",
    "DECODE": "Decode",
    "ENCODE": "Encode",
}
_INPUTS = get_args(ModelInput)


def merged(config: WorkerConfig, given: Any) -> WorkerConfig:
    """``config``, whose fields that theirs has too are taken from ``given``.

    Raises:
        InvalidArgument: A field of theirs asks for what this worker does not have.
    """
    _refuse_what_is_not_here(given)
    if given.use_kv_events:
        warnings.warn(
            "WorkerConfig.use_kv_events is ignored, as in ai-dynamo: leave it out",
            DeprecationWarning,
            stacklevel=2,
        )
    values: dict[str, Any] = {name: getattr(given, name) for name in _SAME}
    runtime = replace(config.runtime, **{name: getattr(given, name) for name in _OF_RUNTIME})
    return replace(
        config,
        **values,
        **_structural_tag(given.structural_tag),
        metrics_labels=tuple((name, value) for name, value in given.metrics_labels),
        disaggregation_mode=_mode(given.disaggregation_mode),
        model_input=model_input(given),
        runtime=runtime,
    )


def model_input(given: Any) -> Any:
    """What the engine takes, by our name.

    Raises:
        InvalidArgument: It cannot be served.
    """
    # Of a class of the compiled module, whose values show as `ModelInput.Tokens`.
    name = str(given.model_input).rpartition(".")[2]
    if name not in _INPUTS:
        raise InvalidArgument(
            f"model_input: {name} cannot be served; accepted: {', '.join(_INPUTS)}"
        )
    return name


def _refuse_what_is_not_here(given: Any) -> None:
    for name in ("media_decoder", "media_fetcher"):
        if getattr(given, name) is not None:
            option = "--" + name.replace("_", "-")
            raise InvalidArgument(
                f"{name}: an object of ai-dynamo, which does not say what is in it; leave it out,"
                f" and give {option} before '--'"
            )


def _mode(mode: Any) -> Any:
    name = getattr(mode, "name", None)
    if name not in _MODES:
        raise InvalidArgument(
            f"disaggregation_mode: {name or mode} cannot be served; accepted: {', '.join(_MODES)}"
        )
    return _MODES[name]


def _structural_tag(tag: Mapping[str, Any] | None) -> dict[str, Any]:
    if tag is None:
        return {_STRUCTURAL_TAG_MODE: "Off"}
    unknown = [name for name in tag if name not in _STRUCTURAL_TAG]
    if unknown:
        raise InvalidArgument(
            f"structural_tag: {unknown[0]} is unknown; accepted: {', '.join(_STRUCTURAL_TAG)}"
        )
    # Theirs has words with underscores.
    values = {
        _STRUCTURAL_TAG[name]: value.replace("_", "") if isinstance(value, str) else value
        for name, value in tag.items()
    }
    return {_STRUCTURAL_TAG_MODE: "On", **values}
