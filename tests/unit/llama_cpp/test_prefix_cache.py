"""The cache without a model: what is told is what is held, and who gives way to whom."""

from weakref import WeakSet

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dynamo_backend_common.engines.llama_cpp.cache.kv_reports import KvReports
from dynamo_backend_common.engines.llama_cpp.cache.prefix_cache import PrefixCache
from support.kv_index import KvIndex

SIZE = 4


class State:
    """A copy of what a slot held."""

    def __init__(self, tokens):
        self.tokens = tokens


class States:
    """Takes the place of llama.cpp: the tokens in each slot, of which each is a byte of a state.

    Attributes:
        cells: The tokens.
        limit: Tokens that all copies may have at any time.
        saved: The copies that somebody has.
    """

    def __init__(self, slots, limit):
        self.cells = [() for _ in range(slots)]
        self.limit = limit
        self.saved = WeakSet()

    def state_size(self, slot):
        return len(self.cells[slot])

    def save_state(self, slot):
        state = State(self.cells[slot])
        self.saved.add(state)
        assert sum(len(each.tokens) for each in self.saved) <= self.limit
        return state

    def follow(self, lease):
        """Moves tokens as a lease says."""
        tokens = self.cells[lease.slot if lease.source is None else lease.source]
        if lease.state is not None:
            tokens = lease.state.tokens
        assert len(tokens) >= lease.cached
        self.cells[lease.slot] = tokens[: lease.cached]

    @property
    def held(self):
        """The tokens of each slot, and of each copy."""
        return [*self.cells, *(state.tokens for state in self.saved)]


def _cache(slots, *, cache_ram=0, **options):
    reports, index = KvReports(), KvIndex(SIZE)
    reports.publish_events(index)
    states = States(slots, cache_ram)
    cache = PrefixCache(
        slots, block_size=SIZE, listener=reports, states=states, cache_ram=cache_ram, **options
    )
    return cache, index, states


def _serve(cache, prompt, states=None):
    """One request alone, from its slot to its end."""
    lease = cache.take(prompt)
    if states is not None:
        states.follow(lease)
    cache.read(lease.slot, len(prompt))
    kept = cache.give_back(lease.slot)
    if states is not None:
        states.cells[lease.slot] = prompt[:kept]
    return lease


def _prompt(*blocks, rest=2):
    """One block of each number, and a rest that is no block."""
    return tuple(number for number in blocks for _ in range(SIZE)) + (0,) * rest


def _joined(pieces):
    return tuple(token for piece in pieces for token in piece)


# Few blocks, so that prompts begin alike, and repeat themselves; one of them by its first half.
PROMPTS = st.tuples(
    st.lists(st.sampled_from([(0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 1, 1)]), max_size=4).map(_joined),
    st.lists(st.just(0), min_size=1, max_size=SIZE - 1).map(tuple),
).map(_joined)


class Requests(RuleBasedStateMachine):
    """Any requests, against cells that are moved as the leases say."""

    @initialize(slots=st.integers(1, 4), cache_ram=st.sampled_from([0, 20, 50, 1000]))
    def start(self, slots, cache_ram):
        self.cache, self.index, self.states = _cache(slots, cache_ram=cache_ram)
        self.cache_ram = cache_ram
        self.running = {}

    @rule(prompt=PROMPTS)
    def take(self, prompt):
        known = [len(self._common(tokens, prompt)) for tokens in self.states.held]
        lease = self.cache.take(prompt)
        if len(self.running) == len(self.states.cells):
            assert lease is None
            return
        assert lease.slot not in self.running
        most = min(max(known), max(len(prompt) - 2, 0))
        assert most // SIZE * SIZE <= lease.cached <= most
        self.states.follow(lease)
        assert self.states.cells[lease.slot] == prompt[: lease.cached]
        self.running[lease.slot] = prompt

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def read(self, data):
        slot = data.draw(st.sampled_from(sorted(self.running)))
        prompt, read = self.running[slot], len(self.states.cells[slot])
        end = data.draw(st.integers(read, len(prompt)))
        self.states.cells[slot] = prompt[:end]
        self.cache.read(slot, end)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data):
        """At any time: a request that is cancelled has not read all of its prompt."""
        slot = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[slot]
        kept = self.cache.give_back(slot)
        assert kept == len(self.states.cells[slot])

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def lose(self, data):
        slot = data.draw(st.sampled_from(sorted(self.running)))
        self.cache.lose(slot)
        self.states.cells[slot] = ()

    @rule()
    def evict(self):
        cells = self.states.cells
        kept = {n for n, tokens in enumerate(cells) if tokens and n not in self.running}
        slot = self.cache.evict()
        assert slot in kept if kept else slot is None
        if slot is not None:
            cells[slot] = ()

    @rule()
    def clear(self):
        self.cache.clear()
        assert not self.states.saved
        for slot in range(len(self.states.cells)):
            if slot not in self.running:
                self.states.cells[slot] = ()

    @invariant()
    def what_is_told_is_what_is_held(self):
        assert self.index.prefixes == self.index.prefixes_of(self.states.held)

    @invariant()
    def copies_are_within_the_limit(self):
        size = sum(len(state.tokens) for state in self.states.saved)
        assert size == self.cache.saved_bytes <= self.cache_ram

    @staticmethod
    def _common(tokens, prompt):
        same = [one == other for one, other in zip(tokens, prompt, strict=False)]
        return prompt[: same.index(False) if False in same else len(same)]


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_a_prompt_is_found_but_for_its_rest():
    cache, *_ = _cache(2)
    assert _serve(cache, _prompt(1, 2, 3)).cached == 0
    assert _serve(cache, _prompt(1, 2, 3)).cached == 3 * SIZE
    # A rest of one token or none would be computed by other code than the prompt was.
    assert _serve(cache, _prompt(1, 2, 3, rest=1)).cached == 3 * SIZE - 1
    assert _serve(cache, _prompt(1, 2, 3, rest=0)).cached == 3 * SIZE - 2
    assert _serve(cache, _prompt(1, 2, 4)).cached == 2 * SIZE


def test_what_is_found_is_taken_over_to_its_last_token():
    cache, _, states = _cache(3, cache_ram=1000)
    one, two, three = (_prompt(1, rest=0) + (7,) * count + (8,) * 9 for count in (1, 3, 2))
    _serve(cache, one, states)
    # From a copy of a slot; of two, of the one that goes on alike for longer.
    lease = _serve(cache, two, states)
    assert (lease.cached, lease.source) == (SIZE + 1, 0)
    lease = _serve(cache, three, states)
    assert (lease.cached, lease.source) == (SIZE + 2, 1)
    # In place.
    lease = _serve(cache, (*one[:-3], 9, 9, 9, 9), states)
    assert (lease.cached, lease.source, lease.slot) == (len(one) - 3, None, 0)
    # From the host's memory.
    for number in (4, 5, 6):
        _serve(cache, _prompt(number), states)
    lease = cache.take(two[:7] + (9,) * 9)
    assert (lease.cached, lease.state.tokens) == (SIZE + 3, two)


def test_who_goes_on_from_a_whole_slot_gets_that_slot():
    cache, index, _ = _cache(4)
    first = _serve(cache, _prompt(1, 2))
    second = _serve(cache, _prompt(1, 2, 3))
    assert (second.slot, second.source) == (first.slot, None)
    assert len(index.prefixes) == 3


def test_an_empty_slot_takes_a_copy_and_nothing_is_lost():
    cache, index, _ = _cache(2)
    first = _serve(cache, _prompt(1, 2, 3))
    second = _serve(cache, _prompt(1, 2, 4))
    assert second.source == first.slot != second.slot
    assert len(index.prefixes) == 4


def test_a_prefix_in_use_is_copied_and_not_cut():
    cache, index, _ = _cache(2)
    lease = cache.take(_prompt(1, 2))
    cache.read(lease.slot, 2 * SIZE)
    assert _serve(cache, _prompt(1, 5)).source == lease.slot
    assert _serve(cache, _prompt(6, 7)).slot != lease.slot
    assert index.prefixes >= {_prompt(1, 2, rest=0)}
    other = cache.take(_prompt(1, 2))
    assert other.source == lease.slot
    assert cache.take(_prompt(1, 2)) is None


def test_the_least_recently_used_gives_way():
    cache, index, _ = _cache(3)
    for number in (1, 2, 3):
        _serve(cache, _prompt(number))
    _serve(cache, _prompt(1))
    _serve(cache, _prompt(4))
    assert index.prefixes == {_prompt(number, rest=0) for number in (1, 3, 4)}


def test_what_was_used_least_recently_is_evicted_first():
    cache, index, _ = _cache(3)
    for number in (1, 2, 3, 1):
        _serve(cache, _prompt(number))
    lent = cache.take(_prompt(2))
    left = [len(index.prefixes)]
    while cache.evict() is not None:
        left.append(index.prefixes)
    # Not what somebody goes on from.
    assert left == [3, *({_prompt(n, rest=0) for n in kept} for kept in ((1, 2), (2,)))]
    assert lent.cached == SIZE


def test_a_long_prefix_with_many_ends_fills_one_slot():
    cache, index, _ = _cache(2)
    _serve(cache, _prompt(8, 9))
    for end in range(20, 30):
        _serve(cache, _prompt(1, 2, 3, end))
    assert index.prefixes >= {_prompt(8, 9, rest=0), _prompt(1, 2, 3, rest=0)}


def test_a_short_beginning_in_common_takes_nothing_from_a_long_prefix():
    cache, index, _ = _cache(2)
    _serve(cache, _prompt(8))
    long = _serve(cache, _prompt(1, 2, 3))
    lease = _serve(cache, _prompt(1, 5))
    assert lease.source == long.slot != lease.slot
    assert index.prefixes >= {_prompt(1, 2, 3, rest=0), _prompt(1, 5, rest=0)}


def test_a_copy_is_held_before_more_is_read():
    cache, index, _ = _cache(3)
    original = _serve(cache, _prompt(1, 2))
    lease = cache.take(_prompt(1, 3))
    assert lease.source == original.slot
    for number in (7, 8):
        _serve(cache, _prompt(number))
    _serve(cache, _prompt(9))
    assert index.prefixes == {_prompt(number, rest=0) for number in (1, 8, 9)}


def test_equal_blocks_of_different_prefixes_are_different():
    cache, index, _ = _cache(2)
    _serve(cache, _prompt(1, 1, 1))
    _serve(cache, _prompt(2, 1, 1))
    assert len(index.prefixes) == 6


def test_who_does_not_share_finds_and_leaves_nothing():
    cache, index, _ = _cache(2)
    _serve(cache, _prompt(1, 2))
    lease = cache.take(_prompt(1, 2), shares=False)
    cache.read(lease.slot, 2 * SIZE)
    assert (lease.cached, lease.source) == (0, None)
    assert cache.give_back(lease.slot) == 0
    assert len(index.prefixes) == 2


def test_switched_off_it_only_lends():
    cache, index, _ = _cache(2, enabled=False)
    for _ in range(3):
        assert _serve(cache, _prompt(1, 2)).cached == 0
    assert not index.prefixes


def test_what_leaves_a_slot_comes_back():
    cache, index, states = _cache(1, cache_ram=100)
    for number in (1, 2, 3):
        _serve(cache, _prompt(number, number), states)
    lease = _serve(cache, _prompt(1, 1, 5), states)
    assert (lease.cached, lease.state.tokens) == (2 * SIZE, _prompt(1, 1))
    del lease
    # It is longer now: of the copy nothing is left when it goes.
    _serve(cache, _prompt(2, 2), states)
    assert {state.tokens for state in states.saved} == {
        _prompt(*numbers) for numbers in ((2, 2), (3, 3), (1, 1, 5))
    }
    assert len(index.prefixes) == 7


def test_the_copy_that_was_wanted_least_recently_gives_way():
    cache, _, states = _cache(1, cache_ram=2 * (SIZE + 2))
    for number in (1, 2, 3, 1, 4, 5):
        _serve(cache, _prompt(number), states)
    assert {state.tokens[0] for state in states.saved} == {1, 4}


def test_a_copy_of_what_a_slot_has_gives_way_first():
    cache, _, states = _cache(2, cache_ram=2 * (SIZE + 2))
    for number in (1, 2, 3, 4, 1):
        _serve(cache, _prompt(number), states)
    # Slots have 4 and 1, copies are 1 and 2; of 4 there is none yet.
    _serve(cache, _prompt(2), states)
    _serve(cache, _prompt(1), states)
    kept = {tokens[0] for tokens in states.held if tokens}
    assert kept == {1, 2, 4}


def test_while_copies_are_looked_at_those_that_give_way_are_gone():
    cache, _, states = _cache(1, cache_ram=3 * (2 * SIZE + 2))
    for numbers in ((1, 2), (1, 3), (1, 4), (5, 6)):
        _serve(cache, _prompt(*numbers), states)
    # All copies begin alike, and one of them makes room for what leaves the slot.
    assert _serve(cache, _prompt(1, 7), states).cached == SIZE
    assert sorted(state.tokens[:SIZE] for state in states.saved) == [(1,) * SIZE] * 2 + [
        (5,) * SIZE
    ]


@pytest.mark.parametrize(("room", "left"), [(1, [{1}, {1}]), (2, [{1, 3}, {1, 4}])])
def test_a_copy_that_is_being_restored_makes_no_room(room, left):
    cache, _, states = _cache(2, cache_ram=room * (SIZE + 2))
    for number in range(1, 4 if room == 1 else 5):
        _serve(cache, _prompt(number), states)
    found = []
    # Not for what leaves the slot, nor where it is tried again beside less.
    lease = cache.take(_prompt(1))
    found.append({state.tokens[0] for state in states.saved})
    assert cache.evict() != lease.slot
    found.append({state.tokens[0] for state in states.saved})
    assert found == left
    assert lease.state.tokens == _prompt(1)
    # It does afterwards.
    states.follow(lease)
    cache.give_back(lease.slot)
    del lease
    for number in (5, 6, 7, 8):
        _serve(cache, _prompt(number), states)
    assert 1 not in {state.tokens[0] for state in states.saved}


def test_a_copy_makes_room_for_what_has_become_of_it():
    cache, _, states = _cache(1, cache_ram=2 * SIZE + 2)
    for numbers in ((1,), (2,), (1, 3)):
        _serve(cache, _prompt(*numbers), states)
    assert cache.evict() == 0
    assert [state.tokens for state in states.saved] == [_prompt(1, 3)]


def test_what_is_too_large_is_not_copied():
    cache, _, states = _cache(1, cache_ram=2 * (SIZE + 2))
    _serve(cache, _prompt(1), states)
    _serve(cache, _prompt(2, 3, 4), states)
    _serve(cache, _prompt(5), states)
    assert {state.tokens[0] for state in states.saved} == {1}


def test_a_short_end_is_not_worth_a_copy():
    cache, _, states = _cache(1, cache_ram=1000)
    for end in range(20, 30):
        _serve(cache, _prompt(1, 2, 3, 4, end), states)
    assert not states.saved
    _serve(cache, _prompt(1, 2, 6), states)
    assert [state.tokens for state in states.saved] == [_prompt(1, 2, 3, 4, 29)]


def test_a_long_copy_is_not_worth_a_short_beginning():
    cache, _, states = _cache(1, cache_ram=1000)
    _serve(cache, _prompt(*range(1, 18)), states)
    _serve(cache, _prompt(30), states)
    assert _serve(cache, _prompt(1, 2, 31), states).cached == 0
    _serve(cache, _prompt(30), states)
    assert _serve(cache, _prompt(1, 2, 3, 32), states).cached == 3 * SIZE


def test_of_two_that_begin_alike_the_shorter_is_copied():
    cache, _, states = _cache(1, cache_ram=1000)
    for numbers in ((1, 2, 3, 4, 5), (1, 6), (7,)):
        _serve(cache, _prompt(*numbers), states)
    lease = cache.take(_prompt(1, 8))
    assert (lease.cached, lease.state.tokens) == (SIZE, _prompt(1, 6))


def test_where_there_is_no_memory_nothing_is_copied():
    cache, index, states = _cache(1, cache_ram=1000)
    states.save_state = lambda slot: None
    for number in (1, 2):
        _serve(cache, _prompt(number), states)
    assert cache.saved_bytes == 0
    assert index.prefixes == {_prompt(2, rest=0)}


def test_what_was_read_with_an_adapter_that_is_gone_is_dropped():
    cache, _, states = _cache(1, cache_ram=1000)
    lease = cache.take(_prompt(1), adapter="poet")
    cache.read(lease.slot, SIZE)
    states.cells[lease.slot] = _prompt(1)[: cache.give_back(lease.slot)]
    _serve(cache, _prompt(1), states)
    _serve(cache, _prompt(2), states)
    assert len(states.saved) == 2
    assert cache.forget("poet") == []
    assert len(states.saved) == 1
    assert cache.take(_prompt(1), adapter="poet").cached == 0
