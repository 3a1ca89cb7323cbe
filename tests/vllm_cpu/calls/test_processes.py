"""vLLM's processes end with the worker, also where that has no time to end them."""

from __future__ import annotations

import signal
import subprocess
import sys

import psutil
import pytest

WORKER = """
import subprocess, sys, time
from dynamo_backend_common.engines.vllm.processes import Processes

processes = Processes()
children = [subprocess.Popen(["sleep", "600"]) for _ in range(2)]
processes.add([children[0].pid])
# As of a worker that looks on.
processes.add([child.pid for child in children])
processes.add(())
print(*(child.pid for child in children), flush=True)
if sys.stdin.readline() == "end\\n":
    processes.kill(5.0)
    processes.clean_up()
    processes.clean_up()
    print("ended", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("ends_well", [True, False])
def test_they_end_with_the_worker(ends_well: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        children = [psutil.Process(int(pid)) for pid in worker.stdout.readline().split()]
        family = psutil.Process(worker.pid).children(recursive=True)
        # And the guard.
        assert len(family) == len(children) + 1
        if ends_well:
            worker.stdin.write("end\n")
            worker.stdin.flush()
            assert worker.stdout.readline() == "ended\n"
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        _, alive = psutil.wait_procs(family, timeout=30)
        assert alive == []
