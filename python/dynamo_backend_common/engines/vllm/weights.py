"""Weights that a trainer gives to a vLLM that serves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidArgument
from .control_body import Body, failed

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from .control_body import Control, Reply

_OLD_CACHE = "the weights are new, but the prefix cache is still that of the old ones"


class Weights:
    """The controls by which weights change."""

    def __init__(self, llm: Any, away: Container[str]) -> None:
        """Takes a vLLM that has started.

        Args:
            llm: vLLM's ``AsyncLLM``. Weights come over its weight transfer only where it has a
                ``weight_transfer_config``.
            away: What of its memory sleeps, at the time that it is asked.
        """
        self._llm = llm
        self._away = away
        self._are_whole = True

    @property
    def are_whole(self) -> bool:
        """False from the beginning of an update to its end: a step would end the engine core."""
        return self._are_whole

    def controls(self) -> dict[str, Control]:
        """The controls by name."""
        table: dict[str, Control] = {
            "get_weight_version": self._get_version,
            "set_weight_version": self._set_version,
            "update_weights_from_disk": self._update_from_disk,
        }
        if self._llm.vllm_config.weight_transfer_config is None:
            return table
        table |= {
            "init_weight_transfer_engine": self._init_transfer,
            "start_weight_update": self._start("start_weight_update"),
            "start_draft_weight_update": self._start("start_draft_weight_update"),
            "update_weights": self._update,
            "finish_weight_update": self._finish_update,
        }
        # Since 0.32.
        if hasattr(self._llm, "shutdown_weight_transfer_engine"):
            table["shutdown_weight_transfer_engine"] = self._shutdown_transfer
        return table

    async def _get_version(self, body: Mapping[str, Any]) -> Reply:
        Body("get_weight_version", body)
        return await self._version()

    async def _set_version(self, body: Mapping[str, Any]) -> Reply:
        given = Body("set_weight_version", body, ["weight_version"])
        version = given.required_text("weight_version")
        await self._llm.update_weight_version(version)
        return await self._version()

    async def _update_from_disk(self, body: Mapping[str, Any]) -> Reply:
        """Reads a checkpoint while generation is paused, and forgets what old weights computed."""
        given = Body("update_weights_from_disk", body, ["model_path", "weight_version"])
        path = given.required_text("model_path")
        version = given.text("weight_version")
        # vLLM lets go of its weights before it looks for new ones.
        if not await asyncio.to_thread(Path(path).is_dir):
            raise InvalidArgument(
                f"update_weights_from_disk: model_path {path!r} is no folder here"
            )
        if (refusal := await self._refusal()) is not None:
            return refusal
        self._are_whole = False
        await self._llm.collective_rpc("reload_weights", kwargs={"weights_path": path})
        self._are_whole = True
        if not await self._reset_cache():
            return failed(_OLD_CACHE)
        if version is not None:
            await self._llm.update_weight_version(version)
        return await self._version()

    async def _init_transfer(self, body: Mapping[str, Any]) -> Reply:
        given = Body("init_weight_transfer_engine", body, ["init_info"])
        init_info = given.mapping("init_info")
        from vllm.distributed.weight_transfer.base import WeightTransferInitRequest

        await self._llm.init_weight_transfer_engine(WeightTransferInitRequest(init_info=init_info))
        return {"status": "ok"}

    async def _shutdown_transfer(self, body: Mapping[str, Any]) -> Reply:
        Body("shutdown_weight_transfer_engine", body)
        await self._llm.shutdown_weight_transfer_engine()
        return {"status": "ok"}

    def _start(self, name: str) -> Control:
        """The control by which an update of the weights, or of the draft's, begins."""

        async def start(body: Mapping[str, Any]) -> Reply:
            Body(name, body)
            if (refusal := await self._refusal()) is not None:
                return refusal
            self._are_whole = False
            await getattr(self._llm, name)()
            return {"status": "ok"}

        return start

    async def _update(self, body: Mapping[str, Any]) -> Reply:
        update_info = Body("update_weights", body, ["update_info"]).payload("update_info")
        if (refusal := await self._refusal()) is not None:
            return refusal
        from vllm.distributed.weight_transfer.base import WeightTransferUpdateRequest

        await self._llm.update_weights(WeightTransferUpdateRequest(update_info=update_info))
        return {"status": "ok"}

    async def _finish_update(self, body: Mapping[str, Any]) -> Reply:
        """Ends an update, and forgets what old weights computed unless it is told to keep that."""
        given = Body("finish_weight_update", body, ["weight_version", "reset_prefix_cache"])
        version = given.text("weight_version")
        resets = given.flag("reset_prefix_cache", True)
        await self._llm.finish_weight_update(version)
        self._are_whole = True
        if resets and not await self._reset_cache():
            return failed(_OLD_CACHE)
        return await self._version()

    async def _refusal(self) -> Reply | None:
        """Why weights cannot be written to now: it would end the engine core."""
        if "weights" in self._away:
            return failed("the weights sleep; wake_up with the tag weights brings them back")
        if not await self._llm.is_paused():
            return failed("generation must be paused, by pause_generation, while weights change")
        return None

    async def _reset_cache(self) -> bool:
        # Requests that are held hold blocks of it too: they begin anew.
        return bool(await self._llm.reset_prefix_cache(reset_running_requests=True))

    async def _version(self) -> Reply:
        return {"status": "ok", "weight_version": await self._llm.get_weight_version()}
