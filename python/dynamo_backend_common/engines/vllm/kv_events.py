"""vLLM's KV events, on a socket for each data-parallel rank."""

from __future__ import annotations

import logging
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ...publish import ZmqKvEvents

if TYPE_CHECKING:
    from ...config import WorkerConfig

logger = logging.getLogger(__name__)


class KvEvents:
    """Has vLLM publish what its cache holds, and tells where."""

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None

    def turn_on(self, engine_args: Any, config: WorkerConfig) -> None:
        """Turns the events on, before the start, where a router may want them.

        What the user said with ``--kv-events-config`` stays as it is.

        Args:
            engine_args: vLLM's ``AsyncEngineArgs``, which get a ``kv_events_config``.
            config: The worker's.
        """
        if (
            not config.enable_kv_routing
            or engine_args.enable_prefix_caching is False
            or engine_args.kv_events_config is not None
        ):
            return
        from vllm.config import KVEventsConfig

        self._folder = TemporaryDirectory(prefix="dynamo-vllm-", ignore_cleanup_errors=True)
        engine_args.kv_events_config = KVEventsConfig(
            enable_kv_cache_events=True,
            endpoint=_socket_in(self._folder.name),
        )

    def sources(self, llm: Any) -> list[ZmqKvEvents]:
        """The socket of each rank of a vLLM that has started; none where it has no prefix cache.

        Args:
            llm: vLLM's ``AsyncLLM``.
        """
        config = llm.vllm_config
        given = config.kv_events_config
        if (
            not config.cache_config.enable_prefix_caching
            or given is None
            or not given.enable_kv_cache_events
            or given.publisher != "zmq"
        ):
            return []
        if not _is_bound(given.endpoint):
            logger.warning(
                "KV events: vLLM connects to %s of --kv-events-config, as the worker would, so the"
                " router learns nothing of its cache; give it an address to bind: tcp://*:PORT or"
                " ipc://PATH",
                given.endpoint,
            )
            return []
        return [
            ZmqKvEvents(endpoint=events.endpoint, topic=events.topic, dp_rank=rank)
            for rank, events in sorted(llm.get_kv_event_sources().items())
        ]

    def close(self) -> None:
        """Removes the sockets, when vLLM has ended."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _socket_in(folder: str) -> str:
    # vLLM binds an address of TCP on all interfaces or not at all, and prompts are nobody else's
    # business. For further ranks it counts the number at the end up, if `tcp` is in the address.
    return f"ipc://{folder}/tcp:1"


def _is_bound(endpoint: str) -> bool:
    """Whether vLLM binds the address that it is given, rather than connecting to it."""
    return endpoint.startswith("ipc://") or "*" in endpoint or "::" in endpoint
