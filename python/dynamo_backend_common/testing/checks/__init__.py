"""The contract between a worker and its engine, rule by rule, in the order of a life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import cancellation, errors, hooks, leaks, lifecycle, streams

if TYPE_CHECKING:
    from ..check import Check

BEFORE: tuple[Check, ...] = lifecycle.BEFORE
"""Of engines that are made for it, before the one that is started."""

START: Check = lifecycle.START
"""Without which nothing else can be said."""

SERVING: tuple[Check, ...] = (
    *streams.CHECKS,
    *cancellation.CHECKS,
    *errors.CHECKS,
    *hooks.CHECKS,
    *leaks.SERVING,
    *lifecycle.SERVING,
)
"""Of an engine that has started, up to its drain."""

AFTER: tuple[Check, ...] = (*lifecycle.AFTER, *leaks.AFTER)
"""Of one that was started, whether it could be or not."""
