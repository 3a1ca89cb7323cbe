"""Fifty runs in one process leave nothing of themselves."""

import json

import pytest

from support.launcher import Launcher
from support.processes import PATIENCE

RUNS = 50


@pytest.mark.parametrize("discovery", ["mem", "file"])
def test_section_12_11_what_a_run_had_is_freed_after_it(
    launcher: Launcher, model_folder: str, discovery: str
) -> None:
    # The log's own allocations are no run's.
    program = launcher.script(
        "many_runs", str(RUNS), discovery, model_folder, env={"DYN_LOG": "error"}
    )
    # Alone they take half a minute.
    line = program.wait_for_line("^left (.*)", patience=5 * PATIENCE)
    left = json.loads(line.group(1))
    print(left)
    assert program.wait() == 0
    assert left["alive"] == [0, 0]
    before, after = left["before"], left["after"]
    assert after["threads"] <= before["threads"]
    assert after["descriptors"] <= before["descriptors"] + 2
    # A runtime of Dynamo's that is kept has 1.7 MB with each run.
    assert after["kilobytes"] - before["kilobytes"] < RUNS * 400
