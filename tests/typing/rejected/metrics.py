"""What an engine cannot register. Each mark names the error of its line."""

from prometheus_client import REGISTRY

from dynamo_backend_common import MetricsContext


async def setup_metrics(ctx: MetricsContext) -> None:
    ctx.metrics.register(42)  # error: arg-type
    ctx.metrics.register(REGISTRY, "engine_")  # error: call-arg misc
    ctx.metrics.register(REGISTRY, prefix=1)  # error: arg-type
    ctx.metrics.register(REGISTRY, labels={"dp_rank": 1})  # error: dict-item
