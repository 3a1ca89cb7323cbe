"""Two workers with budgets and a system server by arguments: ``by_arguments.py PORT TOKEN``.

One sets the server for both; the other's engine sets its budget.
"""

import sys
from dataclasses import replace

from plain import Plain

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig, run

port, token = sys.argv[1:]


class Filling(Plain):
    def configure(self, config):
        return replace(config, runtime=replace(config.runtime, shutdown_timeout_seconds=9))


def worker(engine, endpoint, **runtime):
    return Worker(
        engine,
        WorkerConfig(endpoint=endpoint, runtime=RuntimeConfig(**runtime)),
        on_state=lambda state: print(endpoint, state, flush=True),
    )


run(
    worker(Filling(), "left"),
    worker(
        Plain(),
        "right",
        discovery_backend="file",
        grace_period_seconds=0.5,
        shutdown_timeout_seconds=7,
        system_port=int(port),
        system_live_path="/livez",
        system_token=token,
    ),
)
