"""On what it was measured, and what."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path


def description() -> dict[str, str]:
    """Lines for the head of the table."""
    root = Path(__file__).parent
    commit = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    )
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit.stdout.strip(),
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "kernel": platform.release(),
        "Python": platform.python_version(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
