"""Weights that a trainer gives to a vLLM that serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .control_body import Body, failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .control_body import Control, Reply


def controls(llm: Any) -> dict[str, Control]:
    """The controls by which weights change, by name.

    Args:
        llm: vLLM's ``AsyncLLM``. Weights come over its weight transfer only where it has a
            ``weight_transfer_config``.
    """
    of = _Weights(llm)
    table: dict[str, Control] = {
        "set_weight_version": of.set_version,
        "update_weights_from_disk": of.update_from_disk,
    }
    if llm.vllm_config.weight_transfer_config is None:
        return table
    table |= {
        "init_weight_transfer_engine": of.init_transfer,
        "start_weight_update": of.start_update,
        "start_draft_weight_update": of.start_draft_update,
        "update_weights": of.update,
        "finish_weight_update": of.finish_update,
    }
    # Since 0.32.
    if hasattr(llm, "shutdown_weight_transfer_engine"):
        table["shutdown_weight_transfer_engine"] = of.shutdown_transfer
    return table


class _Weights:
    def __init__(self, llm: Any) -> None:
        self._llm = llm

    async def set_version(self, body: Mapping[str, Any]) -> Reply:
        given = Body("set_weight_version", body, ["weight_version"])
        version = given.required_text("weight_version")
        await self._llm.update_weight_version(version)
        return {"status": "ok", "weight_version": version}

    async def update_from_disk(self, body: Mapping[str, Any]) -> Reply:
        """Reads a checkpoint while generation is paused, and forgets what old weights computed."""
        given = Body("update_weights_from_disk", body, ["model_path", "weight_version"])
        path = given.required_text("model_path")
        version = given.text("weight_version")
        if not await self._llm.is_paused():
            return failed("generation must be paused, by pause_generation, while weights change")
        await self._llm.collective_rpc("reload_weights", kwargs={"weights_path": path})
        if not await self._llm.reset_prefix_cache(reset_running_requests=True):
            return failed("the weights are new, but the prefix cache is still that of the old ones")
        if version is not None:
            await self._llm.update_weight_version(version)
        return {"status": "ok", "weight_version": await self._llm.get_weight_version()}

    async def init_transfer(self, body: Mapping[str, Any]) -> Reply:
        from vllm.distributed.weight_transfer.base import WeightTransferInitRequest

        given = Body("init_weight_transfer_engine", body, ["init_info"])
        request = WeightTransferInitRequest(init_info=given.mapping("init_info"))
        await self._llm.init_weight_transfer_engine(request)
        return {"status": "ok"}

    async def shutdown_transfer(self, body: Mapping[str, Any]) -> Reply:
        Body("shutdown_weight_transfer_engine", body)
        await self._llm.shutdown_weight_transfer_engine()
        return {"status": "ok"}

    async def start_update(self, body: Mapping[str, Any]) -> Reply:
        Body("start_weight_update", body)
        await self._llm.start_weight_update()
        return {"status": "ok"}

    async def start_draft_update(self, body: Mapping[str, Any]) -> Reply:
        Body("start_draft_weight_update", body)
        await self._llm.start_draft_weight_update()
        return {"status": "ok"}

    async def update(self, body: Mapping[str, Any]) -> Reply:
        from vllm.distributed.weight_transfer.base import WeightTransferUpdateRequest

        given = Body("update_weights", body, ["update_info"])
        request = WeightTransferUpdateRequest(update_info=given.payload("update_info"))
        await self._llm.update_weights(request)
        return {"status": "ok"}

    async def finish_update(self, body: Mapping[str, Any]) -> Reply:
        version = Body("finish_weight_update", body, ["weight_version"]).text("weight_version")
        await self._llm.finish_weight_update(version)
        return {"status": "ok", "weight_version": await self._llm.get_weight_version()}
