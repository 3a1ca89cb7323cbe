"""`Report`: what happened in a run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EndReason", "Report", "ShutdownStage", "StageFailure", "read_report"]


class EndReason(StrEnum):
    """Why a run ended, if it did not fail."""

    SIGNAL = "signal"
    """SIGTERM or Ctrl-C."""
    SHUTDOWN = "shutdown"
    """The program: by ``Worker.shutdown``, by leaving ``async with``, or by cancelling."""
    ENDED = "ended"
    """Serving ended by itself."""


class ShutdownStage(StrEnum):
    """A stage of a shutdown, in the order in which they run."""

    UNREGISTER = "unregister"
    """The worker leaves discovery."""
    GRACE = "grace"
    """Frontends get time to see that it has left, and are served meanwhile."""
    WAIT = "wait"
    """Requests in flight finish, and are cut where time runs out."""
    DRAIN = "drain"
    """The engine drains, and on a prefill worker says that it is quiescent."""
    CLEANUP = "cleanup"
    """The engine cleans up."""
    RELEASE = "release"
    """The publishers of KV events and snapshots are closed."""


class StageFailure(NamedTuple):
    """Something that failed in a shutdown, though the run did not fail."""

    stage: ShutdownStage
    """The stage in which it failed."""
    message: str
    """What went wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What happened in a run.

    Attributes:
        reason: Why it ended.
        finished: Requests that finished while the worker waited for them in shutdown.
        cut: Requests that were cut at the end of that wait; 0: none was.
        failures: What failed in the shutdown, though the run did not fail.
        stages: Seconds that each stage of the shutdown took; one that did not run is missing.
    """

    reason: EndReason
    finished: int
    cut: int
    failures: tuple[StageFailure, ...]
    stages: Mapping[ShutdownStage, float]


def read_report(of_the_core: dict[str, Any]) -> Report:
    """The report that the core made, typed."""
    return Report(
        reason=EndReason(of_the_core["reason"]),
        finished=of_the_core["finished"],
        cut=of_the_core["cut"],
        failures=tuple(
            StageFailure(ShutdownStage(stage), message)
            for stage, message in of_the_core["failures"]
        ),
        stages={ShutdownStage(stage): took for stage, took in of_the_core["stages"].items()},
    )
