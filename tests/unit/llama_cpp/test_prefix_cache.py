"""The cache without a model: what is told is what is held, and who gives way to whom."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dynamo_backend_common.engines.llama_cpp.cache.kv_reports import KvReports
from dynamo_backend_common.engines.llama_cpp.cache.prefix_cache import PrefixCache
from support.kv_index import KvIndex

SIZE = 4


def _cache(slots, **options):
    reports, index = KvReports(), KvIndex(SIZE)
    reports.publish_events(index)
    return PrefixCache(slots, block_size=SIZE, listener=reports, **options), index


def _serve(cache, prompt):
    """One request alone, from its slot to its end."""
    lease = cache.take(prompt)
    cache.read(lease.slot, len(prompt))
    cache.give_back(lease.slot)
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

    @initialize(slots=st.integers(1, 4))
    def start(self, slots):
        self.cache, self.index = _cache(slots)
        # What llama.cpp would have in each slot, and those of it that were read as a prompt.
        self.cells = [[] for _ in range(slots)]
        self.running = {}

    @rule(prompt=PROMPTS)
    def take(self, prompt):
        lease = self.cache.take(prompt)
        if len(self.running) == len(self.cells):
            assert lease is None
            return
        assert lease.slot not in self.running
        known = [len(self._common(cells, prompt)) for cells in self.cells]
        expected = min(max(known) // SIZE, max(len(prompt) - 2, 0) // SIZE) * SIZE
        assert lease.cached == expected
        cells = self.cells[lease.slot if lease.source is None else lease.source]
        self.cells[lease.slot] = cells[: lease.cached]
        assert tuple(self.cells[lease.slot]) == prompt[: lease.cached]
        self.running[lease.slot] = prompt

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def read(self, data):
        slot = data.draw(st.sampled_from(sorted(self.running)))
        prompt, cells = self.running[slot], self.cells[slot]
        end = data.draw(st.integers(len(cells), len(prompt)))
        cells += prompt[len(cells) : end]
        self.cache.read(slot, end)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data):
        """At any time: a request that is cancelled has not read all of its prompt."""
        slot = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[slot]
        kept = self.cache.give_back(slot)
        assert kept == len(self.cells[slot]) // SIZE * SIZE
        del self.cells[slot][kept:]

    @rule()
    def evict(self):
        kept = {n for n, cells in enumerate(self.cells) if cells and n not in self.running}
        slot = self.cache.evict()
        assert slot in kept if kept else slot is None
        if slot is not None:
            self.cells[slot].clear()

    @rule()
    def clear(self):
        self.cache.clear()
        for slot, cells in enumerate(self.cells):
            if slot not in self.running:
                cells.clear()

    @invariant()
    def what_is_told_is_what_is_held(self):
        assert self.index.prefixes == self.index.prefixes_of(self.cells)

    @staticmethod
    def _common(cells, prompt):
        same = [one == other for one, other in zip(cells, prompt, strict=False)]
        return prompt[: same.index(False) if False in same else len(same)]


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_a_prompt_is_found_but_for_its_rest():
    cache, _ = _cache(2)
    assert _serve(cache, _prompt(1, 2, 3)).cached == 0
    assert _serve(cache, _prompt(1, 2, 3)).cached == 3 * SIZE
    # A rest of one token or none would be computed by other code than the prompt was.
    assert _serve(cache, _prompt(1, 2, 3, rest=1)).cached == 2 * SIZE
    assert _serve(cache, _prompt(1, 2, 3, rest=0)).cached == 2 * SIZE
    assert _serve(cache, _prompt(1, 2, 4)).cached == 2 * SIZE


def test_who_goes_on_from_a_whole_slot_gets_that_slot():
    cache, index = _cache(4)
    first = _serve(cache, _prompt(1, 2))
    second = _serve(cache, _prompt(1, 2, 3))
    assert (second.slot, second.source) == (first.slot, None)
    assert len(index.prefixes) == 3


def test_an_empty_slot_takes_a_copy_and_nothing_is_lost():
    cache, index = _cache(2)
    first = _serve(cache, _prompt(1, 2, 3))
    second = _serve(cache, _prompt(1, 2, 4))
    assert second.source == first.slot != second.slot
    assert len(index.prefixes) == 4


def test_a_prefix_in_use_is_copied_and_not_cut():
    cache, index = _cache(2)
    lease = cache.take(_prompt(1, 2))
    cache.read(lease.slot, 2 * SIZE)
    assert _serve(cache, _prompt(1, 5)).source == lease.slot
    assert _serve(cache, _prompt(6, 7)).slot != lease.slot
    assert index.prefixes >= {_prompt(1, 2, rest=0)}
    other = cache.take(_prompt(1, 2))
    assert other.source == lease.slot
    assert cache.take(_prompt(1, 2)) is None


def test_the_least_recently_used_gives_way():
    cache, index = _cache(3)
    for number in (1, 2, 3):
        _serve(cache, _prompt(number))
    _serve(cache, _prompt(1))
    _serve(cache, _prompt(4))
    assert index.prefixes == {_prompt(number, rest=0) for number in (1, 3, 4)}


def test_what_was_used_least_recently_is_evicted_first():
    cache, index = _cache(3)
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
    cache, index = _cache(2)
    _serve(cache, _prompt(8, 9))
    for end in range(20, 30):
        _serve(cache, _prompt(1, 2, 3, end))
    assert index.prefixes >= {_prompt(8, 9, rest=0), _prompt(1, 2, 3, rest=0)}


def test_a_short_beginning_in_common_takes_nothing_from_a_long_prefix():
    cache, index = _cache(2)
    _serve(cache, _prompt(8))
    long = _serve(cache, _prompt(1, 2, 3))
    lease = _serve(cache, _prompt(1, 5))
    assert lease.source == long.slot != lease.slot
    assert index.prefixes >= {_prompt(1, 2, 3, rest=0), _prompt(1, 5, rest=0)}


def test_a_copy_is_held_before_more_is_read():
    cache, index = _cache(3)
    original = _serve(cache, _prompt(1, 2))
    lease = cache.take(_prompt(1, 3))
    assert lease.source == original.slot
    for number in (7, 8):
        _serve(cache, _prompt(number))
    _serve(cache, _prompt(9))
    assert index.prefixes == {_prompt(number, rest=0) for number in (1, 8, 9)}


def test_equal_blocks_of_different_prefixes_are_different():
    cache, index = _cache(2)
    _serve(cache, _prompt(1, 1, 1))
    _serve(cache, _prompt(2, 1, 1))
    assert len(index.prefixes) == 6


def test_who_does_not_share_finds_and_leaves_nothing():
    cache, index = _cache(2)
    _serve(cache, _prompt(1, 2))
    lease = cache.take(_prompt(1, 2), shares=False)
    cache.read(lease.slot, 2 * SIZE)
    assert (lease.cached, lease.source) == (0, None)
    assert cache.give_back(lease.slot) == 0
    assert len(index.prefixes) == 2


def test_switched_off_it_only_lends():
    cache, index = _cache(2, enabled=False)
    for _ in range(3):
        assert _serve(cache, _prompt(1, 2)).cached == 0
    assert not index.prefixes
