"""Prints the licences of the C and C++ code that crates bring along and that is linked.

cargo metadata --format-version 1 | python3 scripts/bundled_licences.py

Cargo knows of a crate's own licence only. Crates that link a library (`links`), and those that hold
nothing but its source (`…-src`), have the library's licence somewhere below.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_NAME = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT)([.-].*)?", re.IGNORECASE)
_RULE = "=" * 80


def main() -> None:
    """Reads the metadata from standard input."""
    for package in json.load(sys.stdin)["packages"]:
        if package["links"] is None and not package["name"].endswith("-src"):
            continue
        folder = Path(package["manifest_path"]).parent
        for path in _licences(folder):
            title = f"{package['name']} {package['version']}: {path.relative_to(folder)}"
            text = path.read_text(encoding="utf-8", errors="replace").rstrip()
            print(_RULE, title, "-" * 80, text, "", sep="\n")


def _licences(folder: Path) -> Iterator[Path]:
    """Those below the crate's top, which cargo-about has already."""
    for path in sorted(folder.glob("*/**/*")):
        if path.is_file() and _NAME.fullmatch(path.name):
            yield path


if __name__ == "__main__":
    main()
