"""Many runs of ``serve()`` in one process: ``many_runs.py RUNS DISCOVERY MODEL``.

Prints one line of JSON: what lives of the runs' engines and workers at the end, and threads,
descriptors and kilobytes after the first runs and at the end.
"""

import asyncio
import gc
import json
import sys
import time
import weakref
from pathlib import Path

from plain import Plain

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig

WARM_UP = 5
runs, discovery, model = int(sys.argv[1]), sys.argv[2], sys.argv[3]


async def run():
    """A run whose callback has its worker, as many have."""
    engine = Plain()
    worker = Worker(
        engine,
        WorkerConfig(model_name=model, runtime=RuntimeConfig(discovery_backend=discovery)),
        on_state=lambda state: state == "Serving" and worker.shutdown(),
    )
    await worker.serve()
    return weakref.ref(engine), weakref.ref(worker)


def here():
    gc.collect()
    [resident] = [
        line.split()[1]
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmRSS")
    ]
    return {
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "kilobytes": int(resident),
    }


def settled(threads):
    """Waits for the runtime's threads that look from time to time whether their run is over."""
    end = time.monotonic() + 60
    while here()["threads"] > threads and time.monotonic() < end:
        time.sleep(0.1)
    return here()


for _ in range(WARM_UP):
    asyncio.run(run())
# The file store's threads look every 3 s.
time.sleep(4 if discovery == "file" else 0)
before = here()
left = [asyncio.run(run()) for _ in range(runs)]
after = settled(before["threads"])
alive = [sum(each() is not None for each in kind) for kind in zip(*left, strict=True)]
print("left", json.dumps({"alive": alive, "before": before, "after": after}), flush=True)
