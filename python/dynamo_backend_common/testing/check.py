"""What a check is, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .life import Life

Outcome: TypeAlias = Literal["passed", "failed", "skipped"]


class Problem(Exception):
    """What a check found wrong, in words."""


class NotApplicable(Exception):
    """Why a check does not apply to this engine."""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of the contract between a worker and its engine.

    Attributes:
        name: How results and options call it.
        rule: What an engine does.
        mend: What to do where it does not.
        run: Raises `Problem` or `NotApplicable`, or returns.
    """

    name: str
    rule: str
    mend: str
    run: Callable[[Life], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found of an engine.

    Attributes:
        name: Name of the check.
        outcome: ``passed``, ``failed`` or ``skipped``.
        rule: What an engine does, by the contract.
        found: What was wrong, or why nothing could be said; empty where it passed.
        mend: What to do; empty unless it failed.
    """

    name: str
    outcome: Outcome
    rule: str
    found: str = ""
    mend: str = ""

    def __str__(self) -> str:
        """One line, and for a failure what to do."""
        line = f"{self.outcome:7} {self.name}"
        if self.outcome == "passed":
            return line
        line += f": {self.found}"
        return (
            f"{line}\n        rule: {self.rule}\n        mend: {self.mend}" if self.mend else line
        )


class EngineCheckFailed(AssertionError):
    """An engine does not keep the contract; the message has each failure and how to mend it.

    Attributes:
        results: Of all checks, also those that passed.
    """

    def __init__(self, engine: str, results: Sequence[Result]) -> None:
        failed = [str(result) for result in results if result.outcome == "failed"]
        count = f"{len(failed)} of {len(results)} checks failed"
        super().__init__("\n".join([f"{engine}: {count}", *failed]))
        self.results = list(results)
