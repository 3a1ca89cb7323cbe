"""What an engine answers when it is asked for its metrics and KV events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ._core import KvPublisher, SnapshotPublisher
    from .metrics import EndpointMetrics

__all__ = ["MetricsBindings", "MetricsContext", "PushKvEvents", "ZmqKvEvents"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricsContext:
    """What ``setup_metrics`` gets.

    Attributes:
        model: Canonical id of the model.
        component: Component that the worker belongs to.
        model_load_time_seconds: How long ``start`` took.
        metrics: The endpoint's metrics: ``metrics.register(registry)`` shows those of an engine's
            own registry in the worker's ``/metrics``.
    """

    model: str
    component: str
    model_load_time_seconds: float
    metrics: EndpointMetrics


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricsBindings:
    """What ``setup_metrics`` answers.

    Attributes:
        dp_ranks: Data-parallel ranks of which the engine will push snapshots: of those that its
            ``EngineConfig`` has, each once.
        on_publisher_ready: Called once with the publisher, on the event loop, before requests are
            served; a coroutine is awaited. What it raises ends the run. Not called where there is
            no rank or KV routing is off.
    """

    dp_ranks: Sequence[int] = ()
    on_publisher_ready: Callable[[SnapshotPublisher], Awaitable[None] | None] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ZmqKvEvents:
    """KV events of one rank, which the engine publishes on a ZMQ socket in vLLM's format.

    The worker subscribes to it; what is published before it has done so is lost, as always with
    ZMQ. An address that cannot be parsed ends the run with `InvalidArgument`. An event that cannot
    be read is left out by itself: a warning names its field once, and a counter counts.

    Attributes:
        endpoint: Address of the socket, ``tcp://HOST:PORT`` or ``ipc://PATH``. The host ``*``, to
            which a socket is bound, is this machine.
        topic: Topic that is subscribed to; empty: all.
        dp_rank: Data-parallel rank, one of those that `EngineConfig` declares, and of no other
            source. The engine's batches must name it too: one without a rank is taken for rank 0's.
        image_token_id: Token that stands for parts of images in the engine's events, as in the
            prompt; None: the model takes none. With it requests with images go where their images
            are: a frontend names an image in the place of this token, and so must the events.
        video_token_id: The same for videos; another token than that for images.
    """

    endpoint: str
    topic: str = ""
    dp_rank: int = 0
    image_token_id: int | None = None
    video_token_id: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PushKvEvents:
    """KV events of one rank, which the engine pushes to a publisher.

    What an engine does when its cache changes, here with blocks of 4 tokens::

        publisher.publish_stored([(11, [1, 2, 3, 4]), (12, [5, 6, 7, 8])])
        publisher.publish_stored([13, 14], tokens[8:16], parent_hash=12)
        publisher.publish_removed([12, 13, 14])

    A hash is the engine's own name for a block with everything in front of it: an int of 64 bits,
    signed or not, or a digest as bytes, of which the last 8 count. Tokens are a list, an array of
    integers or whatever else gives integers from 0 to 4294967295, as many as a block has. A call
    that has anything else, or one hash for two blocks, raises `InvalidArgument`, which names the
    block, and publishes nothing.

    Publishing is safe from any thread and never waits for the network. What one thread publishes
    arrives in its order. A hash that is stored twice is there until it is removed twice. An engine
    may keep its publisher: after ``cleanup`` it takes what it is given and does nothing.

    Attributes:
        on_ready: Called once with the publisher, on the event loop, before requests are served; a
            coroutine is awaited. What it raises ends the run. It is not called where
            ``kv_cache_block_size`` is unset.
        dp_rank: Data-parallel rank, one of those that `EngineConfig` declares, and of no other
            source.
        image_token_id: Token that stands for parts of images in the blocks' tokens, as in the
            prompt; None: the model takes none. With it, and ``block_mm_infos`` of the blocks,
            requests with images go where their images are.
        video_token_id: The same for videos; another token than that for images.
    """

    on_ready: Callable[[KvPublisher], Awaitable[None] | None]
    dp_rank: int = 0
    image_token_id: int | None = None
    video_token_id: int | None = None
