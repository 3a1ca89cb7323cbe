"""The adapters that requests may name, each behind a card of its own."""

from __future__ import annotations

import asyncio
import itertools
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from ....exceptions import DynamoError, InvalidArgument
from ..binding.adapter import Adapter
from ..files.adapter_file import adapter_file, check_adapter_file
from ..steps.between import Work
from .given import read_scale
from .update_body import path_in, refuse_unknown, required_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...._core import AdapterCards
    from ..binding.model import Model
    from ..files.model_file import ModelFile
    from ..steps.scheduler import Scheduler
    from ..steps.step_loop import StepLoop

Reply: TypeAlias = dict[str, Any]

UPDATES = ("load_lora", "unload_lora", "list_loras")
"""The updates that there are."""

# From the end of an adapter's card to that of the adapter: frontends see the one, and what they
# were sending finds the other.
_HANDOVER_SECONDS = 0.5


class Adapters:
    """All adapters that are loaded, from the command line and by updates.

    Everything but `load_into` belongs to the event loop.
    """

    def __init__(self, given: Iterable[Adapter], limit: int) -> None:
        """Knows what is to be loaded.

        Args:
            given: The first ones.
            limit: How many there may be.
        """
        self._file: ModelFile | None = None
        self._limit = limit
        self._ids = itertools.count(1)
        self._adapters: dict[str, Adapter] = {}
        self._numbers: dict[Adapter, int] = {}
        for adapter in given:
            self._add(adapter)
        self._cards: AdapterCards | None = None
        self._step_loop: StepLoop | None = None

    @property
    def by_name(self) -> Mapping[str, Adapter]:
        """Those that requests may name."""
        return MappingProxyType(self._adapters)

    def load_into(self, model: Model, file: ModelFile) -> None:
        """Loads all of them into the model of ``file``, whose steps have not begun; takes its time.

        Raises:
            InvalidArgument: One is none for this model.
        """
        self._file = file
        for adapter in self._adapters.values():
            self._check(adapter)
            model.load_adapter(adapter)

    def serve(self, step_loop: StepLoop | None) -> None:
        """Makes updates go to the model of ``step_loop``; None: there is none now."""
        self._step_loop = step_loop

    async def register_with(self, cards: AdapterCards) -> None:
        """Registers a card for each, from now on also for those that come."""
        self._cards = cards
        for name in self._adapters:
            await cards.publish(name)

    async def update(self, name: str, body: Mapping[str, Any]) -> Reply:
        """Carries out one of `UPDATES`.

        Raises:
            InvalidArgument: There is no such update, or the body is wrong.
            EngineShutdown: The engine is not running any more.
        """
        match name:
            case "load_lora":
                return await self._load(body)
            case "unload_lora":
                return await self._unload(body)
            case "list_loras":
                refuse_unknown(name, body, ())
                loras = {
                    each: self._numbers[self._adapters[each]] for each in sorted(self._adapters)
                }
                return {"status": "ok", "loras": loras, "count": len(loras)}
        raise InvalidArgument(f"llama-cpp has no update '{name}'; there are {', '.join(UPDATES)}")

    async def _load(self, body: Mapping[str, Any]) -> Reply:
        refuse_unknown("load_lora", body, ("lora_name", "lora_path", "source", "scale"))
        name = required_text("load_lora", body, "lora_name")
        scale = read_scale(1.0 if body.get("scale") is None else body["scale"])
        adapter = Adapter(name=name, path=adapter_file(path_in("load_lora", body)), scale=scale)
        loaded = self._adapters.get(name)
        if loaded is not None:
            if (loaded.path, loaded.scale) != (adapter.path, adapter.scale):
                return _failed(
                    f"'{name}' is loaded from {loaded.path} with the scale {loaded.scale:g}; "
                    "unload it first"
                )
            return self._reply(loaded)
        if len(self._adapters) >= self._limit:
            return _failed(
                f"{self._limit} LoRA adapters are loaded, as max_loras allows: unload one"
            )
        await asyncio.to_thread(self._check, adapter)
        if self._step_loop is not None:
            await self._step_loop.between_steps(Work(partial(_load, adapter)))
        self._add(adapter)
        try:
            if self._cards is not None:
                await self._cards.publish(name)
        except DynamoError:
            await self._forget(adapter)
            raise
        return self._reply(adapter)

    async def _unload(self, body: Mapping[str, Any]) -> Reply:
        refuse_unknown("unload_lora", body, ("lora_name",))
        name = required_text("unload_lora", body, "lora_name")
        adapter = self._adapters.get(name)
        if adapter is None:
            loaded = ", ".join(sorted(self._adapters)) or "none"
            return _failed(f"no LoRA adapter '{name}' is loaded here; loaded: {loaded}")
        if self._cards is not None:
            await self._cards.withdraw(name)
            await asyncio.sleep(_HANDOVER_SECONDS)
        reply = self._reply(adapter)
        await self._forget(adapter)
        return reply

    def _check(self, adapter: Adapter) -> None:
        assert self._file is not None, "no model is loaded"
        architecture = self._file.metadata.values.get("general.architecture")
        check_adapter_file(adapter.path, architecture)

    def _add(self, adapter: Adapter) -> None:
        self._adapters[adapter.name] = adapter
        self._numbers[adapter] = next(self._ids)

    async def _forget(self, adapter: Adapter) -> None:
        """Lets nobody name it any more, and frees it when the last request has ended."""
        del self._adapters[adapter.name], self._numbers[adapter]
        if self._step_loop is not None:
            unload = Work(partial(_unload, adapter), when=partial(_is_unused, adapter))
            await self._step_loop.between_steps(unload)

    def _reply(self, adapter: Adapter) -> Reply:
        return {"status": "ok", "lora_name": adapter.name, "lora_id": self._numbers[adapter]}


def _load(adapter: Adapter, scheduler: Scheduler) -> None:
    scheduler.load_adapter(adapter)


def _unload(adapter: Adapter, scheduler: Scheduler) -> None:
    scheduler.unload_adapter(adapter)


def _is_unused(adapter: Adapter, scheduler: Scheduler) -> bool:
    return not scheduler.uses(adapter)


def _failed(message: str) -> Reply:
    return {"status": "error", "message": message}
