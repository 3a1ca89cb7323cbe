"""What is measured of each arm: the loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arms import PUMP, PUMP_ASYNCIO, REFERENCE_PYTHON, REFERENCE_RUST, RUST, STEP_PUSH, Arm

FREE = "free"
TURNS = "turns"
# Those whose difference a question is about; the rest costs time.
_BOUNDARY = (REFERENCE_PYTHON, REFERENCE_RUST, PUMP, STEP_PUSH, RUST)
_BOTH_LOOPS = (*_BOUNDARY, PUMP_ASYNCIO)
PLAIN, SPIN, QUIC = "plain", "spin", "quic"


@dataclass(frozen=True)
class Cell:
    """One load.

    Attributes:
        group: The question that it belongs to.
        pace: ``free`` (the engine never waits), ``turns`` (one chunk per request and turn), or the
            milliseconds of a step that all requests share.
        variant: Which workers: plain ones, beside a spinning thread, or with the QUIC plane.
        apart: Whether no two chunks can be joined in one frame.
        every: Milliseconds from one request of a stream to its next, all streams at once; 0: each
            when its last is answered.
        stall_one: Whether one of the clients stops reading.
        warm_up: Seconds before the window, at least.
    """

    group: str
    streams: int
    pace: str | int
    chunk: int = 1
    prompt_tokens: int = 128
    output_tokens: int = 256
    apart: bool = False
    every: int = 0
    variant: str = PLAIN
    stall_one: bool = False
    warm_up: float = 0.0
    arms: tuple[str, ...] = _BOUNDARY

    def plan(self) -> dict[str, Any]:
        """What the load client is told of it."""
        return {
            "streams": self.streams,
            "prompt_tokens": self.prompt_tokens,
            "output_tokens": self.output_tokens,
            "pace": self.pace if isinstance(self.pace, str) else {"steps": self.pace},
            "chunk": self.chunk,
            "apart": self.apart,
            "every": self.every,
            "stall_one": self.stall_one,
        }

    def has(self, arm: Arm) -> bool:
        """Whether this arm is measured here."""
        return arm.name.partition(", spin")[0].partition(", QUIC")[0] in self.arms


def quick() -> list[Cell]:
    """A few minutes."""
    return [
        *_tokens((32, 256), _BOTH_LOOPS),
        *(Cell("steps", streams, 20, output_tokens=64) for streams in (32, 256)),
        *_first_token(2, 32),
    ]


def full() -> list[Cell]:
    """Everything."""
    return [
        *_tokens((1, 1024)),
        *_tokens((32, 256), _BOTH_LOOPS),
        *(Cell("chunks", 256, FREE, chunk=chunk) for chunk in (4, 20)),
        *(
            Cell("steps", streams, step, output_tokens=64)
            for streams, step in ((1, 20), (32, 5), (32, 20), (256, 5), (256, 20), (1024, 20))
        ),
        *_first_token(1, 2, 4, 32),
        *(
            Cell("prompts", 4, FREE, prompt_tokens=tokens, output_tokens=16)
            for tokens in (8_000, 128_000)
        ),
        # Until the buffers of the connection that nobody reads are full.
        *(
            Cell("stalled", 256, 5, output_tokens=64, stall_one=one, warm_up=5.0)
            for one in (False, True)
        ),
        *(Cell("spin", 256, step, output_tokens=64, variant=SPIN) for step in (5, 20)),
        *(Cell("quic", 256, pace, output_tokens=64, variant=QUIC) for pace in (FREE, 20)),
    ]


def counted() -> list[Cell]:
    """Where system calls and GIL acquisitions are counted."""
    return [
        Cell("counted", streams, pace, output_tokens=64, apart=pace == TURNS)
        for pace in (FREE, TURNS, 5)
        for streams in (32, 256)
    ]


def _tokens(streams: tuple[int, ...], arms: tuple[str, ...] = _BOUNDARY) -> list[Cell]:
    """Chunks that are ready together, and a frame for every chunk."""
    return [
        Cell("tokens", count, pace, apart=apart, arms=arms)
        for pace, apart in ((FREE, False), (TURNS, True))
        for count in streams
    ]


def _first_token(*streams: int) -> list[Cell]:
    return [Cell("first token", count, FREE, output_tokens=8, every=40) for count in streams]
