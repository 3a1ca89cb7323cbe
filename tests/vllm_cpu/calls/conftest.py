"""vLLM's configuration and its input processor, without an engine."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_backend_common.engines.vllm.refusals import refusing
from dynamo_backend_common.engines.vllm.requests import Requests

with warnings.catch_warnings():
    # Of what vLLM imports.
    warnings.simplefilter("ignore")
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.input_processor import InputProcessor

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm.config import VllmConfig
    from vllm.v1.engine import EngineCoreRequest

    from dynamo_backend_common.engines.vllm.call import Call

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
MODEL = _CACHE / "dynamo-backend-common" / "models" / "tiny-llama"


def _arguments(**more: Any) -> AsyncEngineArgs:
    arguments = {"enforce_eager": True, "dtype": "bfloat16", "block_size": 32, "max_model_len": 256}
    return AsyncEngineArgs(model=str(MODEL), **arguments | more)


@pytest.fixture(scope="session")
def engine_args() -> Callable[..., AsyncEngineArgs]:
    """Arguments of the tiny model; further ones are given."""
    return _arguments


@pytest.fixture(scope="session")
def config() -> VllmConfig:
    return _arguments().create_engine_config()


@pytest.fixture(scope="session")
def processor(config: VllmConfig) -> InputProcessor:
    return InputProcessor(config)


@pytest.fixture
def read(config: VllmConfig) -> Callable[..., Call]:
    """Reads a request, of which the parts are given."""

    def read(
        config: VllmConfig = config, mode: Any = "agg", headers: Any = None, **parts: Any
    ) -> Call:
        requests = Requests(config, mode, dp_ranks=range(4, 6), lora_names={"adapter"})
        context: Any = SimpleNamespace(id="request", trace_headers=lambda: headers or {})
        return requests.read({"token_ids": [5, 6, 7], **parts}, context)

    return read


@pytest.fixture
def admit(read: Callable[..., Call], processor: InputProcessor) -> Callable[..., EngineCoreRequest]:
    """Reads a request, and has vLLM admit it."""

    def admit(**parts: Any) -> EngineCoreRequest:
        call = read(**parts)
        with refusing():
            return processor.process_inputs(
                call.request_id,
                call.prompt,
                call.params,
                supported_tasks=("generate",),
                priority=call.priority,
                data_parallel_rank=call.data_parallel_rank,
            )

    return admit
