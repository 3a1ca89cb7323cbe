"""Medians and spread of what was measured, as they are kept in JSON."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cells import Cell


def figures(report: dict[str, Any], *, python: bool) -> dict[str, float]:
    """The figures of one repetition, by name; what cannot be had is left out."""
    tokens = max(report["tokens"], 1)
    loop = report["main_thread_nanos"] if python else 0
    found = {
        "tokens_per_second": report["tokens"] / report["seconds"],
        "cpu_micros_per_token": report["cpu_nanos"] / tokens / 1000,
        "client_cpu_share": report["client_nanos"] / report["seconds"] / 1e9,
        "worker_cpu_share": report["cpu_nanos"] / report["seconds"] / 1e9,
        "tokens_per_frame": report["tokens"] / max(report["frames"], 1),
        "context_switches_per_token": report["context_switches"] / tokens,
        "peak_mib": report["peak_kib"] / 1024,
        "cpu_micros_per_request": report["cpu_nanos"] / max(report["requests"], 1) / 1000,
    }
    if python:
        found["loop_micros_per_token"] = loop / tokens / 1000
        found["other_micros_per_token"] = (report["cpu_nanos"] - loop) / tokens / 1000
    for name in ("first_token", "between_frames", "added"):
        for quantile, micros in report[f"{name}_micros"].items():
            if micros is not None:
                found[f"{name}_{quantile}_ms"] = micros / 1000
    return found


def summary(cell: Cell, arm: str, repetitions: list[dict[str, float]]) -> dict[str, Any]:
    """Median, least and most of each figure."""
    shape = asdict(cell)
    del shape["arms"]
    return {
        "arm": arm,
        "cell": shape,
        "repetitions": len(repetitions),
        "figures": spread(repetitions),
    }


def spread(repetitions: list[dict[str, float]]) -> dict[str, list[float]]:
    """Median, least and most of each figure by its name."""
    names = sorted({name for repetition in repetitions for name in repetition})
    values = {
        name: [repetition[name] for repetition in repetitions if name in repetition]
        for name in names
    }
    return {
        name: [round(of(found), 4) for of in (median, min, max)] for name, found in values.items()
    }
