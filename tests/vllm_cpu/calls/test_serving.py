"""What becomes of calls that vLLM does not answer, and of requests that it never gets."""

from __future__ import annotations

import asyncio
import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from vllm.config import KVTransferConfig

from dynamo_backend_common import WorkerConfig
from dynamo_backend_common.engines.vllm.serving import Serving
from dynamo_backend_common.exceptions import EngineShutdown, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DEAD = EngineShutdown("its engine core has died")


def serving(config: Any, mode: Any = "agg", **calls: Callable[..., Awaitable[Any]]) -> Serving:
    core = SimpleNamespace(engine_ranks_managed=[0])
    llm = SimpleNamespace(vllm_config=config, engine_core=core, **calls)
    return Serving(llm, WorkerConfig(model_name="model", disaggregation_mode=mode))


async def test_a_control_does_not_wait_for_a_core_that_has_died(config: Any) -> None:
    begun = asyncio.Event()

    async def never(**_: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    serves = serving(config, pause_generation=never)
    pausing = asyncio.ensure_future(serves.control("pause_generation", {"mode": "wait"}))
    # It waits for the one before it.
    waiting = asyncio.ensure_future(serves.control("resume_generation", {}))
    await begun.wait()
    serves.fail(DEAD)
    for control in (pausing, waiting):
        with pytest.raises(EngineShutdown, match="has died"):
            await control


async def test_nor_does_the_beginning(config: Any) -> None:
    async def never() -> None:
        serves.fail(DEAD)
        await asyncio.Event().wait()

    serves = serving(config, get_supported_tasks=never)
    with pytest.raises(EngineShutdown, match="has died"):
        await serves.begin("auto", counts_requests=True)


async def test_a_decode_that_is_refused_frees_what_its_prefill_keeps(config: Any) -> None:
    told = []

    async def reject(request_id: str, params: dict[str, Any]) -> None:
        told.append((request_id, params))

    class Refuses:
        async def serve(self, *_: Any) -> Any:
            raise InvalidArgument("vLLM does not accept it")

    changed = copy.copy(config)
    changed.kv_transfer_config = KVTransferConfig(kv_connector="NixlConnector", kv_role="kv_both")
    serves = serving(changed, "decode", notify_kv_transfer_request_rejected=reject)
    serves._path = Refuses()  # type: ignore[assignment]
    for number, (wrong, params, frees) in enumerate(
        [
            ({"sampling_options": {"n": 2}}, {"do_remote_prefill": True, "remote_port": 5}, True),
            ({}, {"do_remote_prefill": True}, True),
            ({}, {"do_remote_prefill": False}, False),
            ({}, {}, False),
            ({}, "none", False),
        ]
    ):
        told.clear()
        prefilled = {"disaggregated_params": {"kv_transfer_params": params}}
        request = {"token_ids": [5], "prefill_result": prefilled, **wrong}
        context: Any = SimpleNamespace(id=f"request-{number}", trace_headers=dict)
        with pytest.raises(InvalidArgument):
            await serves.serve(request, context)
        assert told == ([(f"request-{number}", params)] if frees else [])
