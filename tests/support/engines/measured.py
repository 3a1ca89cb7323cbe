"""Engines with a ``prometheus_client`` registry of their own."""

import os
import threading
import time

from latches import FOLDER, reach
from plain import Plain
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.multiprocess import MultiProcessCollector

from dynamo_backend_common import EngineConfig, MetricsBindings


class Measured(Plain):
    """Counts in a registry as engines do; what it shows of it a subclass may choose."""

    def __init__(self):
        self.registry = CollectorRegistry()
        options = {"registry": self.registry}
        self.served = Counter("engine_served", "Requests that were served", **options)
        self.waiting = Gauge("engine_waiting", "Requests that wait", ["queue"], **options)
        self.waiting.labels("urgent").set(0)
        self.tokens = Histogram("engine_tokens", "Tokens of a prompt", buckets=[4, 16], **options)
        Info("engine_build", "How the engine was built", **options).info({"version": '1"\\\n'})

    async def setup_metrics(self, context):
        context.metrics.register(self.registry)

    async def generate(self, request, context):
        self.served.inc()
        self.tokens.observe(len(request["token_ids"]))
        async for chunk in super().generate(request, context):
            yield chunk


class Blocking(Measured):
    """Blocks the event loop until the test lets it go on."""

    async def generate(self, request, context):
        self.served.inc()
        reach("blocks")
        while not (FOLDER / "go").exists():
            time.sleep(0.01)  # noqa: ASYNC251 (on purpose)
        yield {"token_ids": [], "finish_reason": "stop"}


class OfRanks(Measured):
    """Two ranks with a registry each; a part of each is shown."""

    async def start(self, worker_id):
        return EngineConfig(model=self.model, context_length=2048, data_parallel_size=2)

    async def setup_metrics(self, context):
        for rank in ("0", "1"):
            registry = CollectorRegistry()
            Gauge("engine_running", "Requests that run", registry=registry).set(float(rank))
            own = Gauge("engine_own", "Labels", ["model", "dynamo_endpoint"], registry=registry)
            own.labels("its own", "its own").set(1)
            Gauge("hidden", "Not shown", registry=registry)
            context.metrics.register(registry, prefix="engine_", labels={"dp_rank": rank})

        def ready(publisher):
            for rank in (0, 1):
                publisher.push(rank, total_blocks=100, used_blocks=40, kv_cache_hit_rate=0.25)

        return MetricsBindings(dp_ranks=[0, 1], on_publisher_ready=ready)


class Texts(Measured):
    """Has its metrics from functions that make their text when asked."""

    async def setup_metrics(self, context):
        self.asked = 0
        context.metrics.register_text(self.text)

    def text(self):
        self.asked += 1
        thread = threading.current_thread().name
        help_text = "# HELP engine_asked Scrapes.\n# TYPE engine_asked gauge\n"
        return f'{help_text}engine_asked{{thread="{thread}"}} {self.asked}\n'


class NoText(Measured):
    async def setup_metrics(self, context):
        context.metrics.register_text(lambda: b"engine_bytes 1")


class InConflict(Measured):
    """Has the worker's metrics, one with another type, and a line that is none."""

    async def setup_metrics(self, context):
        registry = CollectorRegistry()
        name = "dynamo_component_worker_requests_cut"
        Gauge(f"{name}_total", "No counter here", registry=registry).set(7)
        Gauge("dynamo_component_worker_drained", "Ours", ["mine"], registry=registry).labels(1)
        Gauge("engine_good", "Beside the others", registry=registry).set(5)
        context.metrics.register(registry)
        context.metrics.set_exposition(
            "# HELP engine_late Before\nengine_late 1\nthis is nothing\n"
            "# HELP engine_later Behind\nengine_later 2\n"
        )


class Raising(Measured):
    """Its registry raises while ``broken`` is released."""

    def collect(self):
        if (FOLDER / "broken").exists():
            reach("raised")
            raise RuntimeError("the engine's process is gone")
        yield from self.registry.collect()

    async def setup_metrics(self, context):
        context.metrics.register(self)


class Hanging(Measured):
    """Its first registry never answers."""

    def collect(self):
        reach("hangs")
        threading.Event().wait()
        yield

    async def setup_metrics(self, context):
        context.metrics.register(self)
        context.metrics.register(self.registry)


class Multiprocess(Measured):
    """Two processes count, as vLLM's do, and this one shows the sum."""

    counter = None

    async def start(self, worker_id):
        if (child := os.fork()) == 0:
            self.count()
            os._exit(0)
        os.waitpid(child, 0)  # noqa: ASYNC222 (nothing else runs yet)
        self.count()
        return await super().start(worker_id)

    def count(self):
        # Its file is the process's that counts.
        if self.counter is None:
            self.counter = Counter("engine_counted", "Of all processes", ["model"])
        self.counter.labels("theirs").inc(3)

    async def supported_controls(self):
        return ["count"]

    async def engine_control(self, name, body):
        self.count()
        return {"status": "ok"}

    async def setup_metrics(self, context):
        context.metrics.register()


class OwnMultiprocess(Multiprocess):
    """Makes its registry itself, as vLLM does."""

    async def setup_metrics(self, context):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        context.metrics.register(registry)


class BareMultiprocess(Multiprocess):
    """Registers the collector itself."""

    async def setup_metrics(self, context):
        context.metrics.register(MultiProcessCollector(None))


class OfAll(Plain):
    """Imports ``prometheus_client`` as one process does, and shows what all do."""

    async def setup_metrics(self, context):
        context.metrics.register()


class WithoutRegistry(Plain):
    async def setup_metrics(self, context):
        context.metrics.register(42)


class WithBadLabel(Measured):
    async def setup_metrics(self, context):
        context.metrics.register(self.registry, labels={"dp-rank": "1"})


class WithBadPrefix(Measured):
    async def setup_metrics(self, context):
        context.metrics.register(self.registry, prefix=1)
