"""Writes the tables and the plot once more from the figures of an earlier run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from plot import plot
from report import markdown


def main() -> None:
    """The argument is the folder of the results."""
    folder = Path(sys.argv[1])
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    (folder / "table.md").write_text(markdown(results), encoding="utf-8")
    plot(results, folder / "plot.png")


if __name__ == "__main__":
    main()
