"""Checks that a wheel runs where its name promises, by what it asks of the C library.

auditwheel show --json WHEEL | python3 scripts/check_wheel.py manylinux_2_28_x86_64
"""

import json
import re
import sys

_TAG = re.compile(r"manylinux_(\d+)_(\d+)_(\w+)")


def main() -> None:
    """Reads auditwheel's report; the argument is the platform that is promised."""
    promised, found = sys.argv[1], json.load(sys.stdin)["overall_tag"]
    if not _fits(found, promised):
        sys.exit(f"error: the wheel is for {found}, and {promised} was promised")
    print(f"It runs on {found} and newer")


def _fits(found: str, promised: str) -> bool:
    mine, wanted = _TAG.fullmatch(found), _TAG.fullmatch(promised)
    if mine is None or wanted is None or mine[3] != wanted[3]:
        return False
    return (int(mine[1]), int(mine[2])) <= (int(wanted[1]), int(wanted[2]))


if __name__ == "__main__":
    main()
