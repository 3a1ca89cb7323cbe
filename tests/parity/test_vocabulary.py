"""The names of states and stages, in Rust and in Python."""

from dynamo_backend_common import ShutdownStage, WorkerState
from dynamo_backend_common._core import SHUTDOWN_STAGES, WORKER_STATES


def test_the_states_are_the_cores() -> None:
    assert tuple(WorkerState) == WORKER_STATES


def test_the_stages_are_the_cores() -> None:
    assert tuple(ShutdownStage) == SHUTDOWN_STAGES
