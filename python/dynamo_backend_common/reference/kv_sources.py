"""What ``kv_event_sources`` returns."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidArgument
from ..publish import PushKvEvents, ZmqKvEvents
from .kv_publisher import ReferenceKvPublisher
from .package import theirs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._core import KvPublisher


def converted(sources: Iterable[Any]) -> list[PushKvEvents | ZmqKvEvents]:
    """Their sources as ours.

    Raises:
        InvalidArgument: One is none of theirs.
    """
    return [_source(number, source) for number, source in enumerate(sources)]


def _source(number: int, source: Any) -> PushKvEvents | ZmqKvEvents:
    if isinstance(source, theirs("common.backend.publisher", "ZmqSource")):
        return ZmqKvEvents(endpoint=source.endpoint, topic=source.topic, dp_rank=source.dp_rank)
    if isinstance(source, theirs("common.backend.publisher", "PushSource")):
        return PushKvEvents(on_ready=partial(_hand_over, source.on_ready), dp_rank=source.dp_rank)
    raise InvalidArgument(
        f"kv_event_sources: source {number} is {type(source).__name__}; accepted: ZmqSource and"
        " PushSource of dynamo.common.backend.publisher"
    )


def _hand_over(on_ready: Callable[[Any], Any], publisher: KvPublisher) -> Any:
    return on_ready(ReferenceKvPublisher(publisher))
