"""What a stopped request ends with, whenever it is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..check import Check, NotApplicable, Problem

if TYPE_CHECKING:
    from ..life import Life

_MOST_POINTS = 8
# What may be on its way already, from a batch or a queue of the engine's.
_LATE_CHUNKS = 8


async def _at_every_point(life: Life) -> None:
    chunks = len(life.good_answer().trace.chunks if life.sees else life.good_answer().chunks)
    points = range(1, min(chunks, _MOST_POINTS))
    if not points:
        raise NotApplicable(
            "its whole answer is one chunk; pass a request with a longer answer to check_engine"
        )
    for point in points:
        await _stopped_at(life, point, kill=False)


async def _killed(life: Life) -> None:
    if len(life.good_answer().chunks) < 2:
        raise NotApplicable("its whole answer is one chunk")
    await _stopped_at(life, 1, kill=True)


async def _stopped_at(life: Life, point: int, *, kill: bool) -> None:
    what = f"{'killed' if kill else 'stopped'} after chunk {point}"
    late_end = f"the request that was {what}"
    whole = life.good_answer()
    answer = await life.ask(stop_at=point, kill=kill, what=late_end)
    if answer.error is not None:
        raise Problem(f"{what}, the request ended with an error: {life.told(answer)}")
    late = len(answer.trace.chunks) - point
    if life.sees and late > _LATE_CHUNKS:
        raise Problem(f"{what}, its generator yielded {late} more")
    if answer.reason not in (None, "cancelled") and answer.tokens < whole.tokens:
        raise Problem(f"{what}, the request ended with {answer.reason!r}, not with 'cancelled'")
    if life.sees and not await life.until(lambda: answer.trace.ended):
        raise Problem(f"{what}, its generator never ended, not even when cancelled and closed")


_MEND = (
    "check context.is_stopped() before each chunk, and end with a chunk that has finish_reason"
    " 'cancelled'; if generate waits for long, let it wait for context.stopped() too, or end the"
    " wait in abort"
)

CHECKS = (
    Check(
        "cancellation_at_every_point",
        "a request that is stopped, at any time, ends with 'cancelled' and no error",
        _MEND,
        _at_every_point,
    ),
    Check("kill", "a request that is killed ends like one that is stopped", _MEND, _killed),
)
