"""After many requests nothing of them is left, and nothing is warned about.

``MANY_REQUESTS=100000`` makes it a long test.
"""

import json
import os
import sys

import pytest

from support.launcher import ENGINES, SUPPORT, Launcher
from support.processes import PATIENCE

REQUESTS = int(os.environ.get("MANY_REQUESTS", "2000"))


@pytest.mark.timeout(120 + REQUESTS / 50)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_no_generator_task_future_or_buffer_is_left(
    launcher: Launcher, model_folder: str, loop: str
) -> None:
    script = str(SUPPORT / "scripts" / "counted.py")
    program = launcher.start(
        *(sys.executable, "-X", "dev", "-W", "error", script),
        *(loop, str(launcher.ports.reserve()), model_folder, str(REQUESTS)),
        env={"PYTHONPATH": str(ENGINES), "DYN_LOG": "error"},
    )
    line = program.wait_for_line(r"^left (.*)", patience=PATIENCE + REQUESTS / 50)
    left = json.loads(line.group(1))
    assert left["grown"] == {}
    assert left["generators"][0] == left["generators"][1]
    # Sinks, contexts and prompts are Rust's: seen as memory alone. Of few requests the allocator's
    # own ups and downs, a few hundred kB, are the larger part.
    assert left["kilobytes"] < max(REQUESTS / 4, 1500)
    assert program.wait() == 0
    for word in ("Warning", "never awaited", "was destroyed", "never retrieved", "Traceback"):
        assert word not in program.output
