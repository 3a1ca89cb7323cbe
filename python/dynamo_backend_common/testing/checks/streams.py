"""What an ordinary request is answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...exceptions import StreamIncomplete
from ...messages import Chunk
from ..check import Check, NotApplicable, Problem

if TYPE_CHECKING:
    from ..life import Answer, Life

_KEYS = frozenset(Chunk.__annotations__)


def _refusal(life: Life, answer: Answer) -> str | None:
    """Why a chunk was refused, if one was."""
    message = str(answer.error)
    return message if message.startswith(f"{life.name}: yielded") else None


async def _chunk_shapes(life: Life) -> None:
    answer = await life.ask()
    refusal = _refusal(life, answer)
    if refusal is not None:
        raise Problem(refusal)
    for place, chunk in enumerate(answer.trace.dicts):
        unknown = sorted(chunk.keys() - _KEYS)
        if unknown:
            raise Problem(f"chunk {place} has the unknown key {unknown[0]!r}, which is ignored")


async def _one_terminal_chunk(life: Life) -> None:
    answer = await life.ask()
    if _refusal(life, answer) is not None:
        raise NotApplicable("a chunk was refused; see chunk_shapes")
    if isinstance(answer.error, StreamIncomplete):
        raise Problem(str(answer.error))
    if answer.error is not None:
        raise Problem(f"an ordinary request ended with {life.told(answer)}")
    reason = answer.reason
    if isinstance(reason, dict) or reason in ("error", "cancelled"):
        raise Problem(f"an ordinary request, which was not stopped, ended with {reason!r}")
    terminal = [chunk.get("finish_reason") is not None for chunk in answer.trace.dicts]
    more = len(answer.trace.chunks) - terminal.index(True) - 1 if True in terminal else 0
    if more:
        raise Problem(f"yielded {more} more after the chunk with {reason!r}; no client gets those")
    life.whole = answer


async def _generator_is_closed(life: Life) -> None:
    life.good_answer()
    if not life.sees:
        raise NotApplicable("generate is no generator")
    trace = await life.leave_after_first()
    if not await life.until(lambda: trace.ended):
        raise Problem("its generator goes on although its client has left and it was closed")
    if trace.close_error is not None:
        told = life.places.of_error(trace.close_error)
        raise Problem(f"its generator raised when it was closed: {told}")


CHECKS = (
    Check(
        "chunk_shapes",
        "a chunk is a dict with token_ids, and no keys other than Dynamo's",
        "yield dicts as dynamo_backend_common.Chunk has them; annotate generate as an"
        " AsyncIterator[Chunk] and a type checker finds wrong ones",
        _chunk_shapes,
    ),
    Check(
        "one_terminal_chunk",
        "exactly one chunk has a finish_reason, and it is the last",
        "yield one chunk with finish_reason at the very end, also where nothing was generated, and"
        " return after it",
        _one_terminal_chunk,
    ),
    Check(
        "generator_is_closed",
        "a generator whose client left ends when it is closed, and its finally completes",
        "let CancelledError and GeneratorExit pass (no bare except around a yield), yield nothing"
        " in a finally, and do not wait there for something that only another request can bring",
        _generator_is_closed,
    ),
)
