"""Workers that cannot run side by side."""

import pytest

from dynamo_backend_common import InvalidArgument, RuntimeConfig, Worker, WorkerConfig, run
from dynamo_backend_common.engines.echo import Echo


def test_a_worker_is_not_given_twice() -> None:
    config = WorkerConfig(runtime=RuntimeConfig(discovery_backend="mem"))
    worker = Worker(Echo(), config)
    with pytest.raises(InvalidArgument, match=r"^workers: one is given twice"):
        run(worker, Worker(Echo(), config), worker)


def test_one_is_needed() -> None:
    with pytest.raises(InvalidArgument, match=r"^workers: there is none"):
        run()
