"""LoRA adapters: loaded and unloaded while vLLM serves."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ...exceptions import DynamoError, InvalidArgument
from .control_body import Body, failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..._core import AdapterCards
    from .control_body import Reply

# From the end of an adapter's card to that of the adapter: frontends see the one, and what they
# were sending finds the other.
_HANDOVER_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Adapter:
    id: int
    path: str


class Adapters:
    """The adapters that requests may name.

    Frontends know of each by a card of its own. vLLM keeps the latest of them in memory, and reads
    another again when a request wants it.
    """

    def __init__(self, llm: Any, reserved: frozenset[str]) -> None:
        """Takes a vLLM that has started with ``--enable-lora``.

        Args:
            llm: vLLM's ``AsyncLLM``.
            reserved: The names of the model itself, which no adapter can have.
        """
        self._llm = llm
        self._reserved = reserved
        self._cards: AdapterCards | None = None
        self._adapters: dict[str, _Adapter] = {}
        # Never used again: vLLM takes the number for the adapter.
        self._ids = itertools.count(1)
        # What was computed with an adapter may be in the prefix cache, by these.
        self._computed: set[tuple[str, str]] = set()

    def __contains__(self, name: object) -> bool:
        """Whether an adapter of this name is loaded."""
        return name in self._adapters

    def register_with(self, cards: AdapterCards) -> None:
        """Registers a card for each adapter from now on."""
        self._cards = cards

    def request(self, name: str) -> Any:
        """The ``LoRARequest`` by which a request to vLLM names an adapter.

        Raises:
            InvalidArgument: None of that name is loaded.
        """
        adapter = self._adapters.get(name)
        if adapter is None:
            raise InvalidArgument(f"no LoRA adapter '{name}' is loaded here; {self._loaded()}")
        return _lora_request(name, adapter)

    async def load(self, body: Mapping[str, Any]) -> Reply:
        """The control ``load_lora``: ``lora_name``, and ``lora_path`` or ``source.uri``."""
        given = Body("load_lora", body, ["lora_name", "lora_path", "source"])
        name = given.required_text("lora_name")
        path = given.text("lora_path") or _path_of(given.mapping("source"))
        if name in self._reserved:
            raise InvalidArgument(f"load_lora: '{name}' is the name of the model itself")
        loaded = self._adapters.get(name)
        if loaded is not None:
            if loaded.path != path:
                return failed(f"'{name}' is loaded from {loaded.path}; unload it first")
            return _reply(name, loaded)
        adapter = _Adapter(next(self._ids), path)
        await self._llm.add_lora(_lora_request(name, adapter))
        if (name, path) in self._computed and not await self._llm.reset_prefix_cache(
            reset_running_requests=True
        ):
            await self._llm.remove_lora(adapter.id)
            return failed(f"the prefix cache still has what '{name}' computed before; try again")
        self._computed.add((name, path))
        self._adapters[name] = adapter
        try:
            if self._cards is not None:
                await self._cards.publish(name)
        except DynamoError:
            await self._forget(name, adapter)
            raise
        return _reply(name, adapter)

    async def unload(self, body: Mapping[str, Any]) -> Reply:
        """The control ``unload_lora``: ``lora_name``. Requests that run with it go on."""
        name = Body("unload_lora", body, ["lora_name"]).required_text("lora_name")
        adapter = self._adapters.get(name)
        if adapter is None:
            return failed(f"no LoRA adapter '{name}' is loaded here; {self._loaded()}")
        if self._cards is not None:
            await self._cards.withdraw(name)
            await asyncio.sleep(_HANDOVER_SECONDS)
        await self._forget(name, adapter)
        return _reply(name, adapter)

    async def list(self, body: Mapping[str, Any]) -> Reply:
        """The control ``list_loras``: the number of each by its name."""
        Body("list_loras", body)
        loras = {name: adapter.id for name, adapter in sorted(self._adapters.items())}
        return {"status": "ok", "loras": loras, "count": len(loras)}

    async def _forget(self, name: str, adapter: _Adapter) -> None:
        del self._adapters[name]
        await self._llm.remove_lora(adapter.id)

    def _loaded(self) -> str:
        return f"loaded: {', '.join(sorted(self._adapters)) or 'none'}"


def _lora_request(name: str, adapter: _Adapter) -> Any:
    from vllm.lora.request import LoRARequest

    return LoRARequest(lora_name=name, lora_int_id=adapter.id, lora_path=adapter.path)


def _path_of(source: dict[str, Any]) -> str:
    """What vLLM reads: a folder, or a repository of the hub, which it downloads itself."""
    uri = source.get("uri")
    if not isinstance(uri, str) or not uri:
        raise InvalidArgument("load_lora: give lora_path, or source with a uri")
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return unquote(parts.path)
    if parts.scheme == "hf":
        return f"{parts.netloc}{parts.path}".strip("/")
    raise InvalidArgument(
        f"load_lora: source.uri is {uri!r}; accepted: file:///FOLDER, hf://OWNER/REPOSITORY; fetch"
        " another into a folder first"
    )


def _reply(name: str, adapter: _Adapter) -> Reply:
    return {"status": "ok", "lora_name": name, "lora_id": adapter.id}
