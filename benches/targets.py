"""The targets, and what was reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arms import PUMP, PUMP_ASYNCIO, REFERENCE_PYTHON, REFERENCE_RUST, RUST, STEP_PUSH
from floor import FLOOR

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Verdict:
    """One line: what is wanted, what came out, and whether that is enough (None: not measured)."""

    what: str
    target: str
    reached: str
    met: bool | None


class Figures:
    """Looks up medians."""

    def __init__(self, results: dict[str, Any]) -> None:
        self._loads = results["loads"]
        self.counts = results["counts"]
        self.footprint = results["footprint"]

    def median(self, arm: str, figure: str, **cell: Any) -> float | None:
        """Of the first load that has these properties."""
        for load in self._loads:
            if load["arm"] == arm and all(load["cell"][key] == cell[key] for key in cell):
                found = load["figures"].get(figure)
                return None if found is None else float(found[0])
        return None

    def ratio(self, arm: str, to: str, figure: str, **cell: Any) -> float | None:
        """Of two arms' medians."""
        ours, theirs = self.median(arm, figure, **cell), self.median(to, figure, **cell)
        return None if ours is None or not theirs else ours / theirs


def verdicts(results: dict[str, Any]) -> list[Verdict]:
    """Every target of the project, in its order."""
    return list(_verdicts(Figures(results)))


def _verdicts(found: Figures) -> Iterator[Verdict]:
    cpu, rate = "cpu_micros_per_token", "tokens_per_second"
    for streams in (32, 256):
        for pace, group, load in (
            (20, "steps", "steps of 20 ms"),
            ("turns", "tokens", "a frame per chunk"),
        ):
            ratio = found.ratio(
                PUMP, REFERENCE_PYTHON, cpu, group=group, pace=pace, streams=streams
            )
            yield _share(
                f"async generator, {streams} streams, {load}: CPU per token against the"
                " reference's Python path",
                ratio,
                1 / 4,
            )
    for streams in (32, 256):
        ratio = found.ratio(
            PUMP, REFERENCE_PYTHON, cpu, group="tokens", pace="free", streams=streams
        )
        yield _share(
            f"async generator, {streams} streams, chunks ready together: CPU per token against the"
            " reference's Python path",
            ratio,
            1 / 12,
        )
    for arm, pace, times in (
        (STEP_PUSH, "turns", 1.0),
        (STEP_PUSH, "free", 3.0),
        (RUST, "free", 3.0),
        (RUST, "turns", 1.3),
    ):
        together = "chunks ready together" if pace == "free" else "a frame per chunk"
        for streams in (32, 256):
            ratio = found.ratio(
                arm, REFERENCE_RUST, rate, group="tokens", pace=pace, streams=streams
            )
            yield _times(
                f"{arm.removeprefix('ours, ')}, {streams} streams, {together}: tokens/s against the"
                " reference's Rust engine",
                ratio,
                times,
            )
    for streams in (2, 4, 32):
        for arm in (PUMP, RUST):
            ratio = found.ratio(
                arm, REFERENCE_PYTHON, "first_token_p50_ms", group="first token", streams=streams
            )
            yield _share(
                f"{arm.removeprefix('ours, ')}: first token, {streams} streams, against the"
                " reference's Python path",
                ratio,
                1 / 15 if (arm, streams) == (PUMP, 32) else 1 / 10,
            )
    yield from _boundary(found)
    yield from _gil(found)
    yield from _spin(found)
    yield from _stalled(found)
    yield from _footprint(found)


def _share(what: str, ratio: float | None, most: float) -> Verdict:
    reached = "" if ratio is None else f"1/{1 / ratio:.1f}"
    return Verdict(
        what, f"at most 1/{1 / most:.0f}", reached, None if ratio is None else ratio <= most
    )


def _times(what: str, ratio: float | None, least: float) -> Verdict:
    reached = "" if ratio is None else f"{ratio:.2f} times"
    # As good as equal is equal: the spread of one figure is some percent.
    met = None if ratio is None else ratio >= least * 0.97
    return Verdict(what, f"at least {least:g} times", reached, met)


def _boundary(found: Figures) -> Iterator[Verdict]:
    """What Python adds to our Rust engine, and what that costs beside the reference's."""
    cpu = "cpu_micros_per_token"
    stepping = {"group": "steps", "pace": 20, "streams": 256}
    ratio = found.ratio(RUST, REFERENCE_RUST, cpu, **stepping)
    yield Verdict(
        "Rust engine, 256 streams, steps of 20 ms: CPU per token against the reference's Rust"
        " engine",
        "at most 0.7 times",
        "" if ratio is None else f"{ratio:.2f} times",
        None if ratio is None else ratio <= 0.7,
    )
    for streams in (32, 256):
        turns = {"group": "tokens", "pace": "turns", "streams": streams}
        yield _more(
            f"async generator, {streams} streams, a frame per chunk: CPU per token over the floor"
            " and our Rust engine together",
            found.median(PUMP, cpu, **turns),
            _sum(found.median(FLOOR, cpu, **turns), found.median(RUST, cpu, **turns)),
            1,
            "µs",
        )
    yield _more(
        "step push, 256 streams, steps of 20 ms: CPU per token over our Rust engine",
        found.median(STEP_PUSH, cpu, **stepping),
        found.median(RUST, cpu, **stepping),
        0.4,
        "µs",
    )
    for arm, figure, what in (
        (STEP_PUSH, "first_token_p50_ms", "first token p50"),
        (PUMP, "added_p99_ms", "added latency p99"),
        (STEP_PUSH, "added_p99_ms", "added latency p99"),
    ):
        yield _more(
            f"{arm.removeprefix('ours, ')}, 256 streams, steps of 20 ms: {what} over our Rust"
            " engine",
            found.median(arm, figure, **stepping),
            found.median(RUST, figure, **stepping),
            2,
            "ms",
        )
    calls = [
        count["system_calls_per_token"]
        for count in found.counts
        if (count["arm"], count["pace"]) == (PUMP, 5) and "system_calls_per_token" in count
    ]
    yield Verdict(
        "async generator, steps of 5 ms: system calls per token",
        "at most 1.3",
        " and ".join(f"{each:.2f}" for each in calls),
        max(calls) <= 1.3 if calls else None,
    )


def _sum(*figures: float | None) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) if len(known) == len(figures) else None


def _more(what: str, ours: float | None, base: float | None, most: float, unit: str) -> Verdict:
    more = None if ours is None or base is None else ours - base
    reached = "" if more is None else f"{more:+.2f} {unit}"
    return Verdict(
        what, f"at most {most:g} {unit} more", reached, None if more is None else more <= most
    )


def _gil(found: Figures) -> Iterator[Verdict]:
    # A step loop is a foreign thread of the engine's own, and takes the GIL for itself.
    for arm in (PUMP, PUMP_ASYNCIO):
        per_token = [
            count["foreign_gil_per_token"]
            for count in found.counts
            if count["arm"] == arm and "foreign_gil_per_token" in count
        ]
        yield Verdict(
            f"{arm.removeprefix('ours, ')}: GIL acquisitions of foreign threads per token",
            "0",
            f"{max(per_token):.4f}" if per_token else "",
            max(per_token) == 0 if per_token else None,
        )


def _spin(found: Figures) -> Iterator[Verdict]:
    for step in (5, 20):
        cell = {"group": "spin", "streams": 256, "pace": step}
        base = found.median(f"{RUST}, spin", "added_p99_ms", **cell)
        for arm in (PUMP, STEP_PUSH):
            ours = found.median(f"{arm}, spin", "added_p99_ms", **cell)
            more = None if ours is None or base is None else ours - base
            yield Verdict(
                f"{arm.removeprefix('ours, ')}, 256 streams, steps of {step} ms beside a spinning"
                " thread: added latency p99 over the Rust engine's",
                "at most 1 ms",
                "" if more is None else f"{more:+.1f} ms",
                None if more is None else more <= 1,
            )


def _stalled(found: Figures) -> Iterator[Verdict]:
    for arm in (PUMP, STEP_PUSH, RUST):
        cell = {"group": "stalled", "streams": 256}
        without = found.median(arm, "between_frames_p99_ms", stall_one=False, **cell)
        stalled = found.median(arm, "between_frames_p99_ms", stall_one=True, **cell)
        moved = None if without is None or stalled is None else stalled / without - 1
        yield Verdict(
            f"{arm.removeprefix('ours, ')}: the others' p99 between frames with one stalled client"
            " of 256",
            "moves by less than 5 %",
            "" if moved is None else f"{moved:+.1%}",
            None if moved is None else moved < 0.05,
        )


def _footprint(found: Figures) -> Iterator[Verdict]:
    ours = found.footprint["dynamo_backend_common"]
    wheel, seconds = ours.get("wheel_mib"), ours["import_seconds"]
    yield Verdict(
        "wheel",
        "at most 25 MiB",
        "" if wheel is None else f"{wheel} MiB",
        None if wheel is None else wheel <= 25,
    )
    yield Verdict("import", "at most 0.1 s", f"{seconds:.2f} s", seconds <= 0.1)
