"""A program whose canary payload is no object: ``no_object.py``."""

from lively import Probed

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig

payload: object = [1, 2]
config = WorkerConfig(
    runtime=RuntimeConfig(discovery_backend="mem"),
    health_check_payload=payload,  # type: ignore[arg-type]
)
Worker(Probed(), config).run()
