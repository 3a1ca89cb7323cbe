"""The base class: what it demands, and that what it offers by default does no harm."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from dynamo_backend_common import (
    HEALTH_CHECK_KEY,
    Chunk,
    EngineConfig,
    InvalidArgument,
    LLMEngine,
    Request,
    RequestContext,
)
from dynamo_backend_common._serving.bridge import Bridge


class Least(LLMEngine):
    """Only what is required."""

    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="least")

    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        yield {"token_ids": [], "finish_reason": "stop"}

    async def cleanup(self) -> None: ...


@pytest.mark.parametrize("name", ["start", "generate", "cleanup"])
def test_what_is_required_is_abstract(name: str) -> None:
    methods: dict[str, Any] = {
        required: getattr(Least, required)
        for required in ("start", "generate", "cleanup")
        if required != name
    }
    incomplete = type("Incomplete", (LLMEngine,), methods)
    with pytest.raises(TypeError, match=f"abstract method '?{name}"):
        incomplete()


async def test_the_defaults_do_nothing() -> None:
    engine = Least()
    context: Any = None
    await engine.abort(context)
    await engine.drain()
    assert await engine.is_quiescent() is None
    await engine.watch()
    assert await engine.setup_metrics(context) is None
    assert list(await engine.kv_event_sources()) == []
    assert await engine.health_check_payload() is None
    assert list(await engine.supported_controls()) == []
    await engine.validate_engine_control("sleep", {})
    assert list(await engine.supported_updates()) == []


class Draining(Least):
    async def drain(self) -> None: ...


class Telling(Least):
    async def is_quiescent(self) -> bool:
        return True


@pytest.mark.parametrize(("engine", "warned"), [(Least, 1), (Draining, 0), (Telling, 0)])
def test_what_the_base_class_offers_tells_a_prefill_worker_nothing(
    caplog: pytest.LogCaptureFixture, engine: type[Least], warned: int
) -> None:
    Bridge(engine(), None).check_prefill()
    assert caplog.text.count("neither is_quiescent nor drain") == warned


async def test_an_unknown_control_is_named() -> None:
    with pytest.raises(InvalidArgument, match="Least supports no control 'sleep'"):
        await Least().engine_control("sleep", {})


async def test_an_unknown_update_is_named() -> None:
    with pytest.raises(InvalidArgument, match="Least supports no update 'load_lora'"):
        await Least().engine_update("load_lora", {})


def test_what_is_looked_for_by_name_is_not_there_by_default() -> None:
    assert not hasattr(LLMEngine, "from_args")
    assert not hasattr(LLMEngine, "configure")


def test_the_marker_of_a_probe() -> None:
    assert HEALTH_CHECK_KEY == "_HEALTH_CHECK"
    assert HEALTH_CHECK_KEY in Request.__annotations__
