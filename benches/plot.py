"""The results as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from arms import PUMP, PUMP_ASYNCIO, REFERENCE_PYTHON, REFERENCE_RUST, RUST, STEP_PUSH
from matplotlib.ticker import FuncFormatter

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

# The reference in greys, ours in colours.
_COLOURS = {
    REFERENCE_PYTHON: "#8d99ae",
    REFERENCE_RUST: "#4a5568",
    PUMP_ASYNCIO: "#9ad0c2",
    PUMP: "#2a9d8f",
    STEP_PUSH: "#e9a23b",
    RUST: "#d1495b",
}
_PACES = {"turns": "a frame per chunk", "free": "chunks ready together"}


def plot(results: dict[str, Any], path: Path) -> None:
    """Draws CPU and tokens per second for both ways to travel, and two latencies."""
    figure, axes = plt.subplots(2, 3, figsize=(19, 9), constrained_layout=True)
    for row, (pace, words) in enumerate(_PACES.items()):
        loads = _loads(results, group="tokens", pace=pace)
        _panel(axes[row][0], loads, "cpu_micros_per_token", f"Worker CPU per token, µs, {words}")
        _panel(axes[row][1], loads, "tokens_per_second", f"Tokens per second, {words}")
        axes[row][1].yaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value / 1e3:.0f}k")
        )
    _panel(
        axes[0][2],
        _loads(results, group="first token"),
        "first_token_p50_ms",
        "First token, median, ms, logarithmic",
    )
    axes[0][2].set_yscale("log")
    _panel(
        axes[1][2],
        _loads(results, group="steps", pace=5),
        "added_p99_ms",
        "From engine to client, p99, ms, logarithmic, steps of 5 ms",
    )
    axes[1][2].set_yscale("log")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _panel(axes: Axes, loads: list[dict[str, Any]], figure: str, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    if loads:
        _bars(axes, loads, figure, "streams")
    else:
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)


def _loads(results: dict[str, Any], **cell: Any) -> list[dict[str, Any]]:
    return [
        load for load in results["loads"] if all(load["cell"][key] == cell[key] for key in cell)
    ]


def _bars(axes: Axes, loads: list[dict[str, Any]], figure: str, by: str) -> None:
    """A group of bars for each value of ``by``; whiskers from least to most."""
    groups = sorted({load["cell"][by] for load in loads})
    arms = [arm for arm in _COLOURS if any(load["arm"] == arm for load in loads)]
    width = 0.85 / max(len(arms), 1)
    for place, arm in enumerate(arms):
        for load in loads:
            if load["arm"] != arm or figure not in load["figures"]:
                continue
            median, least, most = load["figures"][figure]
            x = groups.index(load["cell"][by]) + (place - (len(arms) - 1) / 2) * width
            first = load is next(other for other in loads if other["arm"] == arm)
            axes.bar(
                x,
                median,
                width * 0.92,
                color=_COLOURS[arm],
                label=arm if first else None,
                yerr=[[median - least], [most - median]],
                error_kw={"elinewidth": 0.8, "ecolor": "#333333"},
            )
            shown = f"{median / 1e3:.0f}k" if median >= 1000 else f"{median:.3g}"
            axes.annotate(
                shown, (x, most), (0, 2), textcoords="offset points", ha="center", fontsize=7
            )
    axes.set_xticks(range(len(groups)), [f"{group} streams" for group in groups])
