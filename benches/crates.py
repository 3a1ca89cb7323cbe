"""Which crate costs how much of the compiled module.

``python benches/crates.py MODULE``: prints the bytes of machine code by crate, the largest first.
The module must have its symbols: ``cargo build --release --package dynamo-backend-python``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

# The crate that a demangled symbol begins with, also behind `<` and `&` of `<T as Trait>::method`.
_CRATE = re.compile(r"([a-z_][a-z0-9_]*)(?:\[[0-9a-f]+\])?::")
_SHOWN = 30


def main() -> None:
    """Prints the table."""
    sizes = by_crate(sys.argv[1])
    total = sum(sizes.values())
    print(f"{'MiB':>6}  {'share':>5}  crate")
    for crate, size in sizes.most_common(_SHOWN):
        print(f"{size / 2**20:6.2f}  {size / total:5.1%}  {crate}")
    print(f"{total / 2**20:6.2f}         all {len(sizes)}")


def by_crate(module: str) -> Counter[str]:
    """Bytes of machine code, by the crate that its symbol names first."""
    symbols = subprocess.run(
        ["nm", "--print-size", "--defined-only", "--demangle", module],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    sizes: Counter[str] = Counter()
    seen = set()
    for line in symbols.splitlines():
        parts = line.split(" ", 3)
        if len(parts) < 4 or parts[2] not in "tTwW" or parts[0] in seen:
            continue
        seen.add(parts[0])
        found = _CRATE.search(parts[3])
        sizes[found[1] if found else "(C)"] += int(parts[1], 16)
    return sizes


if __name__ == "__main__":
    main()
