"""Running a worker, and what comes out of it."""

import asyncio

from dynamo_backend_common import (
    CannotConnect,
    DynamoError,
    EndReason,
    InvalidArgument,
    Report,
    RuntimeConfig,
    ShutdownStage,
    Worker,
    WorkerConfig,
    WorkerState,
)
from dynamo_backend_common.engines.echo import Echo


def on_state(state: WorkerState) -> None: ...


def on_state_name(name: str) -> None: ...


def on_progress(message: str, fraction: float | None) -> None: ...


def blocking() -> int:
    config = WorkerConfig(
        disaggregation_mode="agg",
        metrics_labels=(("team", "a"),),
        health_check_payload={"token_ids": [1]},
        runtime=RuntimeConfig(
            discovery_backend="mem",
            grace_period_seconds=0,
            shutdown_timeout_seconds=100,
            system_port=9090,
            system_token="token",
            health_check_enabled=True,
        ),
    )
    worker = Worker(
        Echo(), config, http_port=8000, http_host="::1", on_state=on_state, on_progress=on_progress
    )
    report: Report = worker.run()
    stages: list[float] = list(report.stages.values())
    messages = [message for _stage, message in report.failures]
    drain: float | None = report.stages.get(ShutdownStage.DRAIN)
    where: list[ShutdownStage] = [failure.stage for failure in report.failures]
    return report.finished + report.cut + len(stages) + len(messages) + len(where) + int(drain or 0)


async def in_a_loop() -> str:
    worker = Worker(Echo())
    task = asyncio.ensure_future(worker.serve())
    worker.shutdown()
    report = await task
    reason: EndReason = report.reason
    return reason + worker.state


async def a_block() -> str | None:
    async with Worker(Echo(), http_port=0, on_state=on_state_name) as worker:
        state: WorkerState = worker.state
        if state is WorkerState.Serving:
            return worker.http_url
    ended: Report | None = worker.report
    return None if ended is None else ended.reason


def errors() -> str:
    try:
        blocking()
    except CannotConnect as error:
        number: int | None = error.errno
        return error.kind + str(number)
    except (InvalidArgument, DynamoError) as error:
        return error.kind
    return ""
