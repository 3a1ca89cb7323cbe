"""What an engine answers when it is asked for its metrics and KV events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._core import EndpointMetrics, KvPublisher, SnapshotPublisher

__all__ = ["MetricsBindings", "MetricsContext", "PushKvEvents", "ZmqKvEvents"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricsContext:
    """What ``setup_metrics`` gets.

    Attributes:
        model: Canonical id of the model.
        component: Component that the worker belongs to.
        model_load_time_seconds: How long ``start`` took.
        metrics: The endpoint's metrics; what is set there appears in the worker's ``/metrics``.
    """

    model: str
    component: str
    model_load_time_seconds: float
    metrics: EndpointMetrics


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricsBindings:
    """What ``setup_metrics`` answers.

    Attributes:
        dp_ranks: Data-parallel ranks of which the engine will push snapshots.
        on_publisher_ready: Called once with the publisher, before requests are served; not called
            where there is no rank or KV routing is off.
    """

    dp_ranks: Sequence[int] = ()
    on_publisher_ready: Callable[[SnapshotPublisher], None] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ZmqKvEvents:
    """KV events of one rank, which the engine publishes on a ZMQ socket.

    Attributes:
        endpoint: Address of the socket, like ``tcp://127.0.0.1:5557``.
        topic: Topic that is subscribed to; empty: all.
        dp_rank: Data-parallel rank.
    """

    endpoint: str
    topic: str = ""
    dp_rank: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PushKvEvents:
    """KV events of one rank, which the engine pushes to a publisher.

    Attributes:
        on_ready: Called once with the publisher, before requests are served.
        dp_rank: Data-parallel rank.
    """

    on_ready: Callable[[KvPublisher], None]
    dp_rank: int = 0
