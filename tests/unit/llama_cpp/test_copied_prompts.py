"""Copies of what leaves a slot, without a model: which are made, come back, and give way."""

import pytest

from support.slots import SIZE, make_cache, prompt_of, serve_alone


def test_what_leaves_a_slot_comes_back():
    cache, index, states = make_cache(1, cache_ram=100)
    for number in (1, 2, 3):
        serve_alone(cache, prompt_of(number, number), states)
    lease = serve_alone(cache, prompt_of(1, 1, 5), states)
    assert (lease.cached, lease.state.tokens) == (2 * SIZE, prompt_of(1, 1))
    del lease
    # It is longer now: of the copy nothing is left when it goes.
    serve_alone(cache, prompt_of(2, 2), states)
    assert {state.tokens for state in states.saved} == {
        prompt_of(*numbers) for numbers in ((2, 2), (3, 3), (1, 1, 5))
    }
    assert len(index.prefixes) == 7


def test_the_copy_that_was_wanted_least_recently_gives_way():
    cache, _, states = make_cache(1, cache_ram=2 * (SIZE + 2))
    for number in (1, 2, 3, 1, 4, 5):
        serve_alone(cache, prompt_of(number), states)
    assert {state.tokens[0] for state in states.saved} == {1, 4}


def test_a_copy_of_what_a_slot_has_gives_way_first():
    cache, _, states = make_cache(2, cache_ram=2 * (SIZE + 2))
    for number in (1, 2, 3, 4, 1):
        serve_alone(cache, prompt_of(number), states)
    # Slots have 4 and 1, copies are 1 and 2; of 4 there is none yet.
    serve_alone(cache, prompt_of(2), states)
    serve_alone(cache, prompt_of(1), states)
    kept = {tokens[0] for tokens in states.held if tokens}
    assert kept == {1, 2, 4}


def test_while_copies_are_looked_at_those_that_give_way_are_gone():
    cache, _, states = make_cache(1, cache_ram=3 * (2 * SIZE + 2))
    for numbers in ((1, 2), (1, 3), (1, 4), (5, 6)):
        serve_alone(cache, prompt_of(*numbers), states)
    # All copies begin alike, and one of them makes room for what leaves the slot.
    assert serve_alone(cache, prompt_of(1, 7), states).cached == SIZE
    assert sorted(state.tokens[:SIZE] for state in states.saved) == [(1,) * SIZE] * 2 + [
        (5,) * SIZE
    ]


@pytest.mark.parametrize(("room", "left"), [(1, [{1}, {1}]), (2, [{1, 3}, {1, 4}])])
def test_a_copy_that_is_being_restored_makes_no_room(room, left):
    cache, _, states = make_cache(2, cache_ram=room * (SIZE + 2))
    for number in range(1, 4 if room == 1 else 5):
        serve_alone(cache, prompt_of(number), states)
    found = []
    # Not for what leaves the slot, nor where it is tried again beside less.
    lease = cache.take(prompt_of(1))
    found.append({state.tokens[0] for state in states.saved})
    assert cache.evict() != lease.slot
    found.append({state.tokens[0] for state in states.saved})
    assert found == left
    assert lease.state.tokens == prompt_of(1)
    # It does afterwards.
    states.follow(lease)
    cache.give_back(lease.slot)
    del lease
    for number in (5, 6, 7, 8):
        serve_alone(cache, prompt_of(number), states)
    assert 1 not in {state.tokens[0] for state in states.saved}


def test_a_copy_makes_room_for_what_has_become_of_it():
    cache, _, states = make_cache(1, cache_ram=2 * SIZE + 2)
    for numbers in ((1,), (2,), (1, 3)):
        serve_alone(cache, prompt_of(*numbers), states)
    assert cache.evict() == 0
    assert [state.tokens for state in states.saved] == [prompt_of(1, 3)]


def test_what_is_too_large_is_not_copied():
    cache, _, states = make_cache(1, cache_ram=2 * (SIZE + 2))
    serve_alone(cache, prompt_of(1), states)
    serve_alone(cache, prompt_of(2, 3, 4), states)
    serve_alone(cache, prompt_of(5), states)
    assert {state.tokens[0] for state in states.saved} == {1}


def test_a_short_end_is_not_worth_a_copy():
    cache, _, states = make_cache(1, cache_ram=1000)
    for end in range(20, 30):
        serve_alone(cache, prompt_of(1, 2, 3, 4, end), states)
    assert not states.saved
    serve_alone(cache, prompt_of(1, 2, 6), states)
    assert [state.tokens for state in states.saved] == [prompt_of(1, 2, 3, 4, 29)]


def test_a_long_copy_is_not_worth_a_short_beginning():
    cache, _, states = make_cache(1, cache_ram=1000)
    serve_alone(cache, prompt_of(*range(1, 18)), states)
    serve_alone(cache, prompt_of(30), states)
    assert serve_alone(cache, prompt_of(1, 2, 31), states).cached == 0
    serve_alone(cache, prompt_of(30), states)
    assert serve_alone(cache, prompt_of(1, 2, 3, 32), states).cached == 3 * SIZE


def test_of_two_that_begin_alike_the_shorter_is_copied():
    cache, _, states = make_cache(1, cache_ram=1000)
    for numbers in ((1, 2, 3, 4, 5), (1, 6), (7,)):
        serve_alone(cache, prompt_of(*numbers), states)
    lease = cache.take(prompt_of(1, 8))
    assert (lease.cached, lease.state.tokens) == (SIZE, prompt_of(1, 6))


def test_where_there_is_no_memory_nothing_is_copied():
    cache, index, states = make_cache(1, cache_ram=1000)
    states.save_state = lambda slot: None
    for number in (1, 2):
        serve_alone(cache, prompt_of(number), states)
    assert cache.saved_bytes == 0
    assert index.prefixes == {prompt_of(2, rest=0)}


def test_what_was_read_with_an_adapter_that_is_gone_is_dropped():
    cache, _, states = make_cache(1, cache_ram=1000)
    lease = cache.take(prompt_of(1), adapter="poet")
    cache.read(lease.slot, SIZE)
    states.cells[lease.slot] = prompt_of(1)[: cache.give_back(lease.slot)]
    serve_alone(cache, prompt_of(1), states)
    serve_alone(cache, prompt_of(2), states)
    assert len(states.saved) == 2
    assert cache.forget("poet") == []
    assert len(states.saved) == 1
    assert cache.take(prompt_of(1), adapter="poet").cached == 0
