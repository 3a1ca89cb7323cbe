"""What an engine takes, and what a worker makes of that before anything starts."""

from typing import Any

import pytest

from dynamo_backend_common import (
    EngineConfig,
    InvalidArgument,
    LLMEngine,
    RawEngine,
    RustEngine,
    Worker,
    WorkerConfig,
)
from dynamo_backend_common._core import echo_engine
from dynamo_backend_common.testing import check_engine


class Raw(RawEngine):
    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="raw")

    async def generate(self, request: Any, context: Any) -> Any:
        return {}

    async def cleanup(self) -> None:
        pass


class Tensors(Raw):
    model_input = "Tensor"


class Tokens:
    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="tokens")

    async def generate(self, request: Any, context: Any) -> Any:
        return {"token_ids": [], "finish_reason": "stop"}

    async def cleanup(self) -> None:
        pass


def refusal(engine: Any, **config: Any) -> str:
    with pytest.raises(InvalidArgument) as refused:
        Worker(engine, WorkerConfig(**config))
    return str(refused.value)


def test_what_an_engine_takes_is_filled_in() -> None:
    assert Worker(Raw()).config.model_input == "Text"
    assert Worker(Raw(), WorkerConfig(model_input="Text")).config.model_input == "Text"
    tensors = Worker(Tensors(), WorkerConfig(endpoint_types="tensor"))
    assert tensors.config.model_input == "Tensor"
    assert Worker(Tokens()).config.model_input == "Tokens"


@pytest.mark.parametrize("said", ["text", " Text ", "TEXT"])
def test_a_class_of_no_base_says_it_in_any_case(said: str) -> None:
    class Says(Tokens):
        model_input = said

    assert Worker(Says()).config.model_input == "Text"


@pytest.mark.parametrize("said", ["words", None, 7])
def test_what_no_engine_takes_is_refused(said: Any) -> None:
    class Says(Tokens):
        model_input = said

    assert refusal(Says()).startswith(f"engine: model_input of Says is {said!r}; accepted: ")


@pytest.mark.parametrize(
    ("engine", "named"), [(Tokens(), "Tokens"), (echo_engine(), "dynamo_backend")]
)
def test_an_engine_of_tokens_cannot_take_text(engine: Any, named: str) -> None:
    if isinstance(engine, RustEngine):
        named = engine.name
    message = refusal(engine, model_input="Text", endpoint_types="images")
    assert message.startswith(f"model_input: 'Text' is configured, and {named} takes 'Tokens'")


def test_an_engine_of_text_cannot_take_tensors() -> None:
    message = refusal(Raw(), model_input="Tensor", endpoint_types="tensor")
    assert "Raw takes 'Text'" in message


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"endpoint_types": "tensor"}, "endpoint_types: 'tensor' is for model_input 'Tensor'"),
        ({"endpoint_types": "imagse"}, "endpoint_types: 'imagse' is unknown"),
        ({"disaggregation_mode": "prefill"}, "disaggregation_mode: it is for engines that take"),
        ({"disaggregation_mode": "encode"}, "disaggregation_mode: it is for engines that take"),
        ({"route_to_encoder": True}, "route_to_encoder: it is for engines that take tokens"),
        ({"media_decoder": {"image": {}}}, "media_decoder: it is for engines that take tokens"),
        ({"tool_call_parser": "hermes"}, "tool_call_parser: it is for engines that take tokens"),
        ({"reasoning_parser": "qwen3"}, "reasoning_parser: it is for engines that take tokens"),
        ({"default_thinking_mode": "enabled"}, "default_thinking_mode: it is for engines that"),
        ({"kv_state_endpoint": "a.b.c"}, "kv_state_endpoint: it is for engines that take tokens"),
    ],
)
def test_what_is_of_tokens_only_is_refused(config: dict[str, Any], said: str) -> None:
    assert refusal(Raw(), **config).startswith(said)


HOOKS = {name for name, value in vars(LLMEngine).items() if name[0] != "_" and callable(value)}


@pytest.mark.parametrize("hook", sorted(HOOKS - vars(RawEngine).keys()))
def test_a_hook_that_a_raw_engine_has_no_use_for_is_refused(hook: str) -> None:
    class Hooked(Raw):
        pass

    async def of_tokens(self: Any, *_: Any) -> None: ...

    setattr(Hooked, hook, of_tokens)
    message = refusal(Hooked())
    assert message.startswith(f"engine: Hooked takes text and has {hook}, ")


def test_every_other_hook_is_a_raw_engines_too() -> None:
    of_controls = {"supported_controls", "validate_engine_control", "engine_control"}
    assert of_controls | {"supported_updates", "engine_update"} <= vars(RawEngine).keys()


def test_hooks_that_are_inherited_are_not_its_own() -> None:
    class Both(LLMEngine):
        model_input = "Text"
        start = Raw.start
        generate = Raw.generate
        cleanup = Raw.cleanup

    assert Worker(Both()).config.model_input == "Text"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"media_decoder": {"video": {}}}, "media_decoder: "),
        ({"media_fetcher": {"timeout_seconds": 1}}, "media_fetcher: without a media_decoder"),
        ({"media_decoder": {"image": {}}, "media_fetcher": {"x": 1}}, "media_fetcher: "),
        (
            {"route_to_encoder": True, "disaggregation_mode": "decode"},
            "route_to_encoder: disaggregation_mode is 'Decode'",
        ),
    ],
)
def test_media_and_encoding_are_checked_early(config: dict[str, Any], said: str) -> None:
    assert refusal(Tokens(), **config).startswith(said)


def test_the_checks_of_engines_say_that_they_are_of_tokens() -> None:
    with pytest.raises(InvalidArgument, match="Raw takes text"):
        check_engine(Raw)


def test_tensors_need_another_frontend_than_that_of_the_process() -> None:
    worker = Worker(Tensors(), WorkerConfig(endpoint_types="tensor"), http_port=0)
    with pytest.raises(InvalidArgument, match="no endpoint of that takes tensors"):
        worker.run()


def test_a_frontend_in_the_process_decodes_no_media() -> None:
    worker = Worker(Tokens(), WorkerConfig(media_decoder={"image": {}}), http_port=0)
    with pytest.raises(InvalidArgument, match="media_decoder: the frontend in the process"):
        worker.run()
