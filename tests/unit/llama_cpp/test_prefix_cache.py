"""The cache without a model: what is told is what is held, and who gives way to whom."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from support.slots import SIZE, make_cache, prompt_of, serve_alone


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
        self.cache, self.index, self.states = make_cache(slots, cache_ram=cache_ram)
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
    cache, *_ = make_cache(2)
    assert serve_alone(cache, prompt_of(1, 2, 3)).cached == 0
    assert serve_alone(cache, prompt_of(1, 2, 3)).cached == 3 * SIZE
    # A rest of one token or none would be computed by other code than the prompt was.
    assert serve_alone(cache, prompt_of(1, 2, 3, rest=1)).cached == 3 * SIZE - 1
    assert serve_alone(cache, prompt_of(1, 2, 3, rest=0)).cached == 3 * SIZE - 2
    assert serve_alone(cache, prompt_of(1, 2, 4)).cached == 2 * SIZE


def test_what_is_found_is_taken_over_to_its_last_token():
    cache, _, states = make_cache(3, cache_ram=1000)
    one, two, three = (prompt_of(1, rest=0) + (7,) * count + (8,) * 9 for count in (1, 3, 2))
    serve_alone(cache, one, states)
    # From a copy of a slot; of two, of the one that goes on alike for longer.
    lease = serve_alone(cache, two, states)
    assert (lease.cached, lease.source) == (SIZE + 1, 0)
    lease = serve_alone(cache, three, states)
    assert (lease.cached, lease.source) == (SIZE + 2, 1)
    # In place.
    lease = serve_alone(cache, (*one[:-3], 9, 9, 9, 9), states)
    assert (lease.cached, lease.source, lease.slot) == (len(one) - 3, None, 0)
    # From the host's memory.
    for number in (4, 5, 6):
        serve_alone(cache, prompt_of(number), states)
    lease = cache.take(two[:7] + (9,) * 9)
    assert (lease.cached, lease.state.tokens) == (SIZE + 3, two)


def test_who_goes_on_from_a_whole_slot_gets_that_slot():
    cache, index, _ = make_cache(4)
    first = serve_alone(cache, prompt_of(1, 2))
    second = serve_alone(cache, prompt_of(1, 2, 3))
    assert (second.slot, second.source) == (first.slot, None)
    assert len(index.prefixes) == 3


def test_an_empty_slot_takes_a_copy_and_nothing_is_lost():
    cache, index, _ = make_cache(2)
    first = serve_alone(cache, prompt_of(1, 2, 3))
    second = serve_alone(cache, prompt_of(1, 2, 4))
    assert second.source == first.slot != second.slot
    assert len(index.prefixes) == 4


def test_a_prefix_in_use_is_copied_and_not_cut():
    cache, index, _ = make_cache(2)
    lease = cache.take(prompt_of(1, 2))
    cache.read(lease.slot, 2 * SIZE)
    assert serve_alone(cache, prompt_of(1, 5)).source == lease.slot
    assert serve_alone(cache, prompt_of(6, 7)).slot != lease.slot
    assert index.prefixes >= {prompt_of(1, 2, rest=0)}
    other = cache.take(prompt_of(1, 2))
    assert other.source == lease.slot
    assert cache.take(prompt_of(1, 2)) is None


def test_the_least_recently_used_gives_way():
    cache, index, _ = make_cache(3)
    for number in (1, 2, 3):
        serve_alone(cache, prompt_of(number))
    serve_alone(cache, prompt_of(1))
    serve_alone(cache, prompt_of(4))
    assert index.prefixes == {prompt_of(number, rest=0) for number in (1, 3, 4)}


def test_what_was_used_least_recently_is_evicted_first():
    cache, index, _ = make_cache(3)
    for number in (1, 2, 3, 1):
        serve_alone(cache, prompt_of(number))
    lent = cache.take(prompt_of(2))
    left = [len(index.prefixes)]
    while cache.evict() is not None:
        left.append(index.prefixes)
    # Not what somebody goes on from.
    assert left == [3, *({prompt_of(n, rest=0) for n in kept} for kept in ((1, 2), (2,)))]
    assert lent.cached == SIZE


def test_a_long_prefix_with_many_ends_fills_one_slot():
    cache, index, _ = make_cache(2)
    serve_alone(cache, prompt_of(8, 9))
    for end in range(20, 30):
        serve_alone(cache, prompt_of(1, 2, 3, end))
    assert index.prefixes >= {prompt_of(8, 9, rest=0), prompt_of(1, 2, 3, rest=0)}


def test_a_short_beginning_in_common_takes_nothing_from_a_long_prefix():
    cache, index, _ = make_cache(2)
    serve_alone(cache, prompt_of(8))
    long = serve_alone(cache, prompt_of(1, 2, 3))
    lease = serve_alone(cache, prompt_of(1, 5))
    assert lease.source == long.slot != lease.slot
    assert index.prefixes >= {prompt_of(1, 2, 3, rest=0), prompt_of(1, 5, rest=0)}


def test_a_copy_is_held_before_more_is_read():
    cache, index, _ = make_cache(3)
    original = serve_alone(cache, prompt_of(1, 2))
    lease = cache.take(prompt_of(1, 3))
    assert lease.source == original.slot
    for number in (7, 8):
        serve_alone(cache, prompt_of(number))
    serve_alone(cache, prompt_of(9))
    assert index.prefixes == {prompt_of(number, rest=0) for number in (1, 8, 9)}


def test_equal_blocks_of_different_prefixes_are_different():
    cache, index, _ = make_cache(2)
    serve_alone(cache, prompt_of(1, 1, 1))
    serve_alone(cache, prompt_of(2, 1, 1))
    assert len(index.prefixes) == 6


def test_who_does_not_share_finds_and_leaves_nothing():
    cache, index, _ = make_cache(2)
    serve_alone(cache, prompt_of(1, 2))
    lease = cache.take(prompt_of(1, 2), shares=False)
    cache.read(lease.slot, 2 * SIZE)
    assert (lease.cached, lease.source) == (0, None)
    assert cache.give_back(lease.slot) == 0
    assert len(index.prefixes) == 2


def test_switched_off_it_only_lends():
    cache, index, _ = make_cache(2, enabled=False)
    for _ in range(3):
        assert serve_alone(cache, prompt_of(1, 2)).cached == 0
    assert not index.prefixes
