"""An engine of theirs as a `Worker` calls it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from . import kv_sources, worker_config
from .endpoint import ReferenceEndpoint
from .errors import as_ours
from .lifecycle import ReferenceLifecycle
from .package import theirs
from .shape import check_config, check_engine, is_raw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core import AdapterCards
    from ..config import WorkerConfig
    from ..publish import PushKvEvents, ZmqKvEvents

_logger = logging.getLogger("dynamo_backend_common")


def wrap(engine: Any, config: Any) -> ReferenceLifecycle:
    """The engine ``engine`` of theirs, with their ``config``, for a `Worker`; named as it is.

    Raises:
        InvalidArgument: One of the two is none of theirs.
    """
    check_engine(engine)
    check_config(config)
    kind = type(engine)
    # Logs and errors name an engine by its class, and the kit its lines by their module.
    base = ReferenceRawEngine if is_raw(engine) else ReferenceEngine
    own = type(kind.__name__, (base,), {"__module__": kind.__module__})
    wrapped: ReferenceLifecycle = own(engine, config)
    return wrapped


class ReferenceEngine(ReferenceLifecycle):
    """One that makes tokens."""

    # As their own worker gives them.
    token_ids_as_list: ClassVar[bool] = True

    def configure(self, config: WorkerConfig) -> WorkerConfig:
        """What their configuration decides is decided by it."""
        merged = super().configure(config)
        if merged.disaggregation_mode == "Prefill" and not self._can_be_asked():
            _logger.warning(
                "%s does not define is_quiescent: on shutdown this prefill worker keeps its KV"
                " cache for all of DYN_PREFILL_DRAIN_TIMEOUT_S, as peers may still fetch from it",
                type(self).__name__,
            )
        return merged

    def _can_be_asked(self) -> bool:
        inherited = theirs("common.backend", "BaseEngine").is_quiescent
        return type(self._engine).is_quiescent is not inherited

    async def is_quiescent(self) -> bool | None:
        """Asks theirs; None where it does not say."""
        with as_ours():
            quiescent: bool | None = await self._engine.is_quiescent()
        return quiescent

    async def kv_event_sources(self) -> Sequence[ZmqKvEvents | PushKvEvents]:
        """Asks theirs."""
        with as_ours():
            sources = await self._engine.kv_event_sources()
        return kv_sources.converted(sources)

    async def on_adapter_cards(self, cards: AdapterCards) -> None:
        """Hands theirs the endpoint."""
        with as_ours():
            await self._engine.on_endpoint_ready(ReferenceEndpoint(cards, self._worker_id))


class ReferenceRawEngine(ReferenceLifecycle):
    """One that takes requests as clients send them."""

    def __init__(self, engine: Any, config: Any) -> None:
        super().__init__(engine, config)
        # Which of them, their configuration says.
        self.model_input = worker_config.model_input(config)
