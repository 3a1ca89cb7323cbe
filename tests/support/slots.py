"""Slots without a model, and requests that take them from the prefix cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from dynamo_backend_common.engines.llama_cpp.cache.kv_reports import KvReports
from dynamo_backend_common.engines.llama_cpp.cache.prefix_cache import Lease, PrefixCache
from support.kv_index import KvIndex

if TYPE_CHECKING:
    from dynamo_backend_common.engines.llama_cpp.cache.kv_blocks import Tokens

SIZE = 4
"""Tokens of a block."""


class State:
    """A copy of what a slot held."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens


class States:
    """Takes the place of llama.cpp: the tokens in each slot, of which each is a byte of a state.

    Attributes:
        cells: The tokens.
        limit: Tokens that all copies may have at any time.
        saved: The copies that somebody has.
    """

    def __init__(self, slots: int, limit: int) -> None:
        self.cells: list[Tokens] = [() for _ in range(slots)]
        self.limit = limit
        self.saved: WeakSet[State] = WeakSet()

    def state_size(self, slot: int) -> int:
        return len(self.cells[slot])

    def save_state(self, slot: int) -> State | None:
        state = State(self.cells[slot])
        self.saved.add(state)
        assert sum(len(each.tokens) for each in self.saved) <= self.limit
        return state

    def follow(self, lease: Lease) -> None:
        """Moves tokens as a lease says."""
        tokens = self.cells[lease.slot if lease.source is None else lease.source]
        if lease.state is not None:
            tokens = lease.state.tokens
        assert len(tokens) >= lease.cached
        self.cells[lease.slot] = tokens[: lease.cached]

    @property
    def held(self) -> list[Tokens]:
        """The tokens of each slot, and of each copy."""
        return [*self.cells, *(state.tokens for state in self.saved)]


def make_cache(
    slots: int, *, cache_ram: int = 0, **options: Any
) -> tuple[PrefixCache, KvIndex, States]:
    """A cache, what is told of it, and what is in its slots."""
    reports, index = KvReports(), KvIndex(SIZE)
    reports.publish_events(index)  # type: ignore[arg-type]
    states = States(slots, cache_ram)
    cache = PrefixCache(
        slots, block_size=SIZE, listener=reports, states=states, cache_ram=cache_ram, **options
    )
    return cache, index, states


def serve_alone(cache: PrefixCache, prompt: Tokens, states: States | None = None) -> Lease:
    """One request alone, from its slot to its end."""
    lease = cache.take(prompt)
    assert lease is not None
    if states is not None:
        states.follow(lease)
    cache.read(lease.slot, len(prompt))
    kept = cache.give_back(lease.slot)
    if states is not None:
        states.cells[lease.slot] = prompt[:kept]
    return lease


def prompt_of(*blocks: int, rest: int = 2) -> Tokens:
    """One block of each number, and a rest that is no block."""
    return tuple(number for number in blocks for _ in range(SIZE)) + (0,) * rest
