"""What is an engine of theirs, and what is half one of ours."""

from __future__ import annotations

import inspect
from typing import Any

from ..config import WorkerConfig
from ..engine import LLMEngine
from ..exceptions import InvalidArgument
from ..raw import RawEngine
from .package import theirs

_OURS_ALONE = ("setup_metrics", "on_adapter_cards")
_PLAIN = (
    "supported_controls",
    "supported_updates",
    "component_metrics_dp_ranks",
    "attach_snapshot_publisher",
)
_WITHOUT = "an engine of this package is served without --reference"


def check_engine(engine: Any) -> None:
    """Refuses what is no engine of theirs.

    Raises:
        InvalidArgument: The message says by what it was told.
    """
    name = type(engine).__name__
    if isinstance(engine, LLMEngine | RawEngine):
        raise InvalidArgument(
            f"engine: {name} is derived from a base of dynamo_backend_common; {_WITHOUT}"
        )
    if not (isinstance(engine, theirs("common.backend", "LLMEngine")) or is_raw(engine)):
        raise InvalidArgument(
            f"engine: {name} is not derived from LLMEngine or RawEngine of dynamo.common.backend;"
            f" {_WITHOUT}"
        )
    for hook in _OURS_ALONE:
        if hasattr(engine, hook):
            raise InvalidArgument(
                f"engine: {name} is derived from a base of dynamo.common.backend, but has a"
                f" method {hook}, which only an engine of dynamo_backend_common has: port all of"
                " it, or none"
            )
    for hook in _PLAIN:
        if inspect.iscoroutinefunction(getattr(engine, hook)):
            raise InvalidArgument(
                f"engine: {hook} of {name} is written with 'async', which"
                " dynamo.common.backend does not await; write it as a plain method"
            )


def is_raw(engine: Any) -> bool:
    """Whether it takes requests as clients send them."""
    return isinstance(engine, theirs("common.backend", "RawEngine"))


def check_config(config: Any) -> None:
    """Refuses what is no ``WorkerConfig`` of theirs.

    Raises:
        InvalidArgument: The message says what it is.
    """
    if isinstance(config, theirs("common.backend", "WorkerConfig")):
        return
    own = "that of dynamo_backend_common" if isinstance(config, WorkerConfig) else "no WorkerConfig"
    raise InvalidArgument(
        f"config: {type(config).__name__} is {own}; an engine that is served with --reference has"
        " the WorkerConfig of dynamo.common.backend"
    )
