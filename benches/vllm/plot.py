"""The comparison as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from arms import GENERATE, REFERENCE, SOCKET, STEPS
from report import COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

# The reference in grey, ours in colours.
_COLOURS = {REFERENCE: "#8d99ae", GENERATE: "#9ad0c2", STEPS: "#2a9d8f", SOCKET: "#d1495b"}


def plot(results: dict[str, Any], path: Path) -> None:
    """Draws each figure for each number of streams; the lines show the spread."""
    figure, axes = plt.subplots(1, len(COLUMNS), figsize=(24, 5), constrained_layout=True)
    loads = {(load["streams"], load["arm"]): load["figures"] for load in results["loads"]}
    counts = sorted({streams for streams, _ in loads})
    for axis, (heading, name, _) in zip(axes, COLUMNS, strict=True):
        for place, (arm, colour) in enumerate(_COLOURS.items()):
            found = [loads[count, arm][name] for count in counts if (count, arm) in loads]
            if not found:
                continue
            middles = [middle for middle, _, _ in found]
            spreads = [[m - least for m, least, _ in found], [most - m for m, _, most in found]]
            places = [number + 0.2 * (place - 1.5) for number in range(len(found))]
            axis.bar(places, middles, 0.2, yerr=spreads, color=colour, label=arm)
        axis.set_title(heading)
        axis.set_xticks(range(len(counts)), [f"{count} streams" for count in counts])
    # One processor's times differ by an order of magnitude.
    axes[0].set_yscale("log")
    axes[0].legend(fontsize="small")
    figure.savefig(path, dpi=80)
    plt.close(figure)
