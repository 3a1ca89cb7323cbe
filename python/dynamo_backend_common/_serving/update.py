"""Which update of the engine's a change of its adapters' cards belongs to."""

from __future__ import annotations

from contextvars import ContextVar

current_update: ContextVar[object] = ContextVar(
    "dynamo_backend_common.current_update", default=None
)
"""The update whose ``engine_update`` runs here, as the core names it; set once, by its task."""
