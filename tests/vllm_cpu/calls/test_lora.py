"""Adapters, as vLLM and frontends are told of them, also where one of these says no."""

from __future__ import annotations

from typing import Any

import pytest

from dynamo_backend_common.engines.vllm.lora import Adapters
from dynamo_backend_common.exceptions import InvalidArgument


class Told:
    """vLLM, and the cards that frontends know adapters by."""

    def __init__(self) -> None:
        self.loaded: dict[int, tuple[str, str]] = {}
        self.cards: list[str] = []
        self.refuses_card = False
        self.resets: list[bool] = []
        self.can_reset = True

    async def add_lora(self, lora: Any) -> bool:
        self.loaded[lora.lora_int_id] = (lora.lora_name, lora.lora_path)
        return True

    async def remove_lora(self, number: int) -> bool:
        return self.loaded.pop(number, None) is not None

    async def reset_prefix_cache(self, *, reset_running_requests: bool) -> bool:
        self.resets.append(reset_running_requests)
        return self.can_reset

    async def publish(self, name: str) -> None:
        if self.refuses_card:
            raise InvalidArgument(f"adapter '{name}': rename one")
        self.cards.append(name)

    async def withdraw(self, name: str) -> None:
        self.cards.remove(name)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setattr("dynamo_backend_common.engines.vllm.lora._HANDOVER_SECONDS", 0.0)
    return Told()


@pytest.fixture
def adapters(told: Told) -> Adapters:
    adapters = Adapters(told, frozenset({"model"}))
    cards: Any = told
    adapters.register_with(cards)
    return adapters


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"lora_path": "/adapters/a"}, "/adapters/a"),
        ({"source": {"uri": "file:///adapters/with%20blank"}}, "/adapters/with blank"),
        ({"source": {"uri": "hf://owner/adapter"}}, "owner/adapter"),
    ],
)
async def test_where_it_is_read_from(
    told: Told, adapters: Adapters, given: dict[str, Any], path: str
) -> None:
    body = {"lora_name": "a", **given}
    assert await adapters.load(body) == {"status": "ok", "lora_name": "a", "lora_id": 1}
    assert told.loaded == {1: ("a", path)}
    assert told.cards == ["a"]
    assert adapters.request("a").lora_path == path
    # Once more is no other.
    assert (await adapters.load(body))["lora_id"] == 1


async def test_one_that_no_frontend_can_know_is_none(told: Told, adapters: Adapters) -> None:
    told.refuses_card = True
    with pytest.raises(InvalidArgument, match="rename one"):
        await adapters.load({"lora_name": "a", "lora_path": "/a"})
    assert told.loaded == {}
    assert "a" not in adapters


async def test_what_it_computed_before_is_forgotten(told: Told, adapters: Adapters) -> None:
    body = {"lora_name": "a", "lora_path": "/a"}
    await adapters.load(body)
    assert (await adapters.unload({"lora_name": "a"}))["status"] == "ok"
    assert (told.loaded, told.cards, told.resets) == ({}, [], [])
    told.can_reset = False
    assert (await adapters.load(body))["status"] == "error"
    assert told.loaded == {}
    told.can_reset = True
    # vLLM keeps an adapter by its number, so it has another one.
    assert (await adapters.load(body))["lora_id"] == 3
    assert told.resets == [True, True]
