"""The processes of a vLLM: their death is told, also where it came before anybody looked."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_backend_common import WorkerConfig
from dynamo_backend_common.engines.vllm.client import Client

if TYPE_CHECKING:
    from dynamo_backend_common.exceptions import EngineShutdown


@pytest.mark.parametrize("is_early", [True, False])
async def test_a_death_is_told(is_early: bool) -> None:
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
    process.start()
    manager = SimpleNamespace(processes=[process])
    resources = SimpleNamespace(engine_manager=manager, coordinator=None)
    llm: Any = SimpleNamespace(engine_core=SimpleNamespace(resources=resources))
    died: asyncio.Future[EngineShutdown] = asyncio.get_running_loop().create_future()
    client = Client(None, WorkerConfig(), [])
    if is_early:
        process.kill()
        process.join()
    client.watch(llm, died.set_result)
    assert died.done() is is_early
    process.kill()
    assert signal.SIGKILL.name in str(await died)
    await client.stop()
