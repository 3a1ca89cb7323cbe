"""How a worker is configured for a sidecar: by the operator first, then by the sidecar."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from dynamo_backend_common import InvalidArgument, RuntimeConfig, WorkerConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

_RUNTIME = frozenset(field.name for field in fields(RuntimeConfig))
_WORKER = frozenset(field.name for field in fields(WorkerConfig)) - {"runtime"}

# What the reference has and a worker does not, with what to do instead.
_INSTEAD = {"enable_rl": "leave --enable-rl out"}


def configured(config: WorkerConfig, wanted: Mapping[str, Any]) -> WorkerConfig:
    """``config``, with what it leaves at its default as the sidecar wants it.

    Args:
        config: The operator's.
        wanted: The sidecar's, by the names of the fields; those of ``runtime`` in a dict.

    Raises:
        InvalidArgument: The two disagree about the disaggregation mode, by which the sidecar works
            already, or the worker has no such field.
    """
    wanted = dict(wanted)
    runtime = wanted.pop("runtime", {})
    _refuse_unknown({**wanted, **runtime})
    _check_mode(config, wanted["disaggregation_mode"])
    wanted["namespace"] = _without_suffix(wanted["namespace"], config.namespace_worker_suffix)
    return replace(
        config,
        **_open(config, WorkerConfig(), wanted),
        runtime=replace(config.runtime, **_open(config.runtime, RuntimeConfig(), runtime)),
    )


def _open(config: Any, default: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in wanted.items()
        if getattr(config, name) == getattr(default, name)
    }


def _refuse_unknown(wanted: Mapping[str, Any]) -> None:
    for name in wanted:
        if name not in _WORKER | _RUNTIME:
            raise InvalidArgument(
                f"the sidecar asks for {name}, which this worker does not have; {_INSTEAD[name]}"
            )


def _check_mode(config: WorkerConfig, mode: str) -> None:
    chosen = config.disaggregation_mode.lower()
    if chosen not in ("agg", "aggregated", mode):
        raise InvalidArgument(
            f"disaggregation_mode: the worker is to be '{chosen}', but the sidecar is '{mode}';"
            " give the mode to the sidecar alone, or to its server where it asks that"
        )


def _without_suffix(namespace: str, suffix: str | None) -> str:
    # The reference puts the suffix into the namespace, a worker adds it by itself.
    return namespace.removesuffix(f"-{suffix}") if suffix else namespace
