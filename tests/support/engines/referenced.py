"""Engines that are written for ``dynamo.common.backend``, and tell what they are given."""

import argparse
import asyncio
import json

from dynamo.common.backend import EngineConfig, LLMEngine, LlmRegistration, WorkerConfig, telemetry
from dynamo.common.backend.metrics import register_engine_registry
from dynamo.common.backend.publisher import ComponentSnapshot, PushSource
from dynamo.common.constants import DisaggregationMode
from dynamo.llm.exceptions import Disconnected, HttpError, InvalidArgument, WorkerUnavailable
from latches import case_of, passed, reach
from prometheus_client import CollectorRegistry, Counter

BLOCK = 4
FIRST_HASH = 2**62
SALTED_HASH = 2**61


class OfItsOwn(Disconnected):
    """An engine's own error, derived from theirs."""


RAISED = {
    "invalid": InvalidArgument("the prompt is odd"),
    "http": HttpError(422, "the prompt is rude"),
    "own": OfItsOwn("the peer is gone"),
    "unavailable": WorkerUnavailable("no peer"),
    "built in": ValueError("the number is wrong"),
}


class Told(LLMEngine):
    """Answers with the prompt, a token at a time, and tells what it was asked."""

    def __init__(self, options):
        self.options = options
        self.loop = asyncio.get_running_loop()
        self.registry = CollectorRegistry()
        self.served = Counter("theirs_served", "Requests.", registry=self.registry)
        self.kv = self.snapshots = None
        self.delay = 0.0

    @classmethod
    async def from_args(cls, argv=None):
        parser = argparse.ArgumentParser(prog="referenced")
        parser.add_argument("--model-name", required=True)
        parser.add_argument("--mode", default="AGGREGATED")
        parser.add_argument("--fields", type=json.loads, default={})
        parser.add_argument("--in-start", default="")
        options = parser.parse_args(argv)
        config = WorkerConfig(
            namespace="theirs",
            component="told",
            model_name=options.model_name,
            served_model_name="told",
            discovery_backend="file",
            endpoint_types="completions",
            metrics_labels=[("zone", "east")],
            disaggregation_mode=DisaggregationMode[options.mode],
            **options.fields,
        )
        return cls(options), config

    async def start(self, worker_id):
        reach("started", json.dumps([worker_id, asyncio.get_running_loop() is self.loop]))
        if self.options.in_start == "raise":
            raise InvalidArgument("there is no such model")
        if self.options.in_start == "ours":
            from dynamo_backend_common import EngineConfig as Ours

            return Ours(model="told")
        return EngineConfig(
            model="told",
            model_aliases=["told-too"],
            runtime_data={"told": 1},
            llm=LlmRegistration(context_length=512, kv_cache_block_size=BLOCK, total_kv_blocks=100),
        )

    async def register_prometheus(self, metrics):
        reach("labels", json.dumps(dict(metrics.auto_labels)))
        register_engine_registry(metrics, self.registry, prefix_filters=["theirs"])

    def component_metrics_dp_ranks(self):
        return [0]

    def attach_snapshot_publisher(self, publisher):
        self.snapshots = publisher

    async def kv_event_sources(self):
        return [PushSource(on_ready=lambda publisher: setattr(self, "kv", publisher))]

    def supported_controls(self):
        return {"set_delay", "pause_generation", "resume_generation"}

    async def engine_control(self, control, body):
        if control == "set_delay":
            self.delay = body["seconds"]
        return {"status": "ok", "control": control}

    async def on_endpoint_ready(self, endpoint):
        reach("endpoint", str(endpoint.connection_id()))
        self.endpoint = endpoint

    def supported_updates(self):
        return {"load", "unload"}

    async def engine_update(self, update, body):
        change = {"load": self.endpoint.publish_lora, "unload": self.endpoint.unpublish_lora}
        await change[update](body["name"])
        return {"status": "ok"}

    def generate(self, request, context):
        if case_of(request) == "early":
            raise InvalidArgument("the prompt is odd before there is a stream")
        return self.chunks(request, context)

    async def chunks(self, request, context):
        case = case_of(request)
        if case in RAISED:
            raise RAISED[case]
        self.served.inc()
        tokens = request["token_ids"]
        self.tell(tokens, request, context)
        with telemetry.start_span(context, "theirs.tokens", tokens=len(tokens)) as span:
            span.add_event("began", first=tokens[0])
            telemetry.current_span(context).set_attribute("theirs.case", case)
            for token in tokens:
                if context.is_stopped():
                    reach("saw-stop")
                    yield {"token_ids": [], "index": 0, "finish_reason": "cancelled"}
                    return
                yield {"token_ids": [token], "index": 0}
                await asyncio.sleep(self.delay)
                if case == "waits":
                    reach("waits")
                    await context.async_killed_or_stopped()
                if case == "gated":
                    reach("gated")
                    await passed("go")
        task = asyncio.current_task()
        try:
            yield {"token_ids": [], "index": 0, "finish_reason": "stop"}
            if case == "goes on":
                yield {"token_ids": [], "index": 0}
        finally:
            reach("closed", str(asyncio.current_task() is task))

    def tell(self, tokens, request, context):
        """Leaves what it is told, and tells routers of the prompt's blocks."""
        count = len(tokens) // BLOCK
        self.kv.publish_stored(
            token_ids=tokens,
            num_block_tokens=[BLOCK] * count + [len(tokens) % BLOCK],
            block_hashes=list(range(FIRST_HASH, FIRST_HASH + 1 + count)),
        )
        self.kv.publish_batch(
            [
                {"type": "removed", "block_hashes": [FIRST_HASH]},
                {
                    "type": "stored",
                    "token_ids": tokens[:BLOCK],
                    "num_block_tokens": [BLOCK],
                    "block_hashes": [SALTED_HASH],
                    "cache_salt": "salt",
                    "lora_name": "adapter",
                },
            ]
        )
        self.snapshots.publish(
            0,
            ComponentSnapshot(
                kv_used_blocks=25, kv_total_blocks=100, gpu_cache_usage=0.25, dp_rank=0
            ),
        )
        context.metadata["own"] = "mine"
        told = {
            "type": type(tokens).__name__,
            "id": context.id(),
            "own": context.metadata.pop("own"),
            "trace_id": context.trace_id,
            "span_id": context.span_id,
            "headers": context.trace_headers(),
            "killed": context.is_killed(),
        }
        reach("told", json.dumps(told))

    async def abort(self, context):
        reach("abort", context.id())

    async def cleanup(self):
        reach("cleanup")


class HalfOurs(Told):
    async def setup_metrics(self, context): ...


class Controls(Told):
    async def supported_controls(self):
        return ["set_delay"]


class Blocking(Told):
    def generate(self, request, context):
        yield {"token_ids": [], "finish_reason": "stop"}


class Plain:
    """Neither theirs nor ours."""

    @classmethod
    async def from_args(cls, argv=None):
        return cls(), WorkerConfig(namespace="theirs")


class NotAwaited(Told):
    @classmethod
    def from_args(cls, argv=None):
        return object(), WorkerConfig(namespace="theirs")


class NoPair(Told):
    @classmethod
    async def from_args(cls, argv=None):
        return cls(None)


class OurConfig(Told):
    @classmethod
    async def from_args(cls, argv=None):
        from dynamo_backend_common import WorkerConfig as Ours

        return cls(None), Ours()


class Exits(Told):
    @classmethod
    async def from_args(cls, argv=None):
        raise SystemExit(7)


class Broken(Told):
    @classmethod
    async def from_args(cls, argv=None):
        raise KeyError("layers")


class NotFound(Told):
    @classmethod
    async def from_args(cls, argv=None):
        raise InvalidArgument("the folder is not there")


class NotMade(LLMEngine):
    """Has not all methods that theirs have."""

    @classmethod
    async def from_args(cls, argv=None):
        return cls(), WorkerConfig(namespace="theirs")
