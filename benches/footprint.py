"""What a worker costs before it serves: the wheel, the compiled module, the import."""

from __future__ import annotations

import os
import subprocess
import time
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

_REPETITIONS = 9
# What an engine's author imports, and the compiled module that it brings in.
_OURS = ("dynamo_backend_common", "dynamo_backend_common._core")
_REFERENCE = ("dynamo.common.backend", "dynamo._core")


@cache
def footprint() -> dict[str, dict[str, Any]]:
    """Sizes in MiB and seconds, by package."""
    ours = _of(os.environ["BENCH_PYTHON"], *_OURS)
    wheel = os.environ.get("BENCH_WHEEL")
    if wheel is not None:
        ours["wheel_mib"] = round(Path(wheel).stat().st_size / 2**20, 1)
    reference = _of(os.environ["BENCH_REFERENCE_PYTHON"], *_REFERENCE)
    return {_OURS[0]: ours, _REFERENCE[0]: reference}


def _of(python: str, package: str, extension: str) -> dict[str, Any]:
    where = f"import {extension} as module; print(module.__file__)"
    path = subprocess.run([python, "-P", "-c", where], capture_output=True, text=True, check=True)
    imported, bare = [], []
    for _ in range(_REPETITIONS):
        bare.append(_seconds(python, "pass"))
        imported.append(_seconds(python, f"import {package}"))
    return {
        "extension_mib": round(Path(path.stdout.strip()).stat().st_size / 2**20, 1),
        "import_seconds": round(median(imported) - median(bare), 3),
    }


def _seconds(python: str, code: str) -> float:
    begin = time.perf_counter()
    subprocess.run([python, "-P", "-c", code], check=True)
    return time.perf_counter() - begin
