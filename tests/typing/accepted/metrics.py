"""An engine with metrics of its own."""

from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Metric

from dynamo_backend_common import EndpointMetrics, LLMEngine, MetricsBindings, MetricsContext


class Collecting:
    def collect(self) -> Iterator[Metric]:
        yield Metric("engine_up", "Whether it is up", "gauge")


class Measured(LLMEngine):
    async def setup_metrics(self, ctx: MetricsContext) -> MetricsBindings:
        ctx.metrics.register()
        ctx.metrics.register(REGISTRY, prefix="engine:")
        ctx.metrics.register(Collecting(), prefix=["a_", "b_"], labels={"dp_rank": "0"})
        labels: dict[str, str] = ctx.metrics.labels
        ctx.metrics.set_exposition(f"# {labels}\n")
        register(ctx.metrics)
        return MetricsBindings(dp_ranks=[0])


def register(metrics: EndpointMetrics) -> None:
    metrics.register(CollectorRegistry(), labels={})
