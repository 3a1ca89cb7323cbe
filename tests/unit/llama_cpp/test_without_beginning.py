"""What routers are told of prompts to which the engine puts the beginning."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamo_backend_common.engines.llama_cpp.cache.kv_blocks import block_hash, root_hash
from dynamo_backend_common.engines.llama_cpp.cache.kv_reports import KvReports
from dynamo_backend_common.engines.llama_cpp.cache.prefix_cache import PrefixCache
from dynamo_backend_common.engines.llama_cpp.cache.without_beginning import WithoutBeginning
from support.kv_index import KvIndex

BEGIN = 1
# Few tokens, so that prompts begin alike; the beginning is among them.
PROMPTS = st.lists(st.sampled_from([BEGIN, 2, 3]), min_size=1, max_size=14).map(tuple)
STEPS = st.lists(
    st.tuples(PROMPTS, st.integers(0, 14), st.sampled_from([None, "poet"])), max_size=12
)


@settings(max_examples=300, deadline=None)
@given(size=st.integers(1, 4), slots=st.integers(1, 3), steps=STEPS)
def test_each_block_is_told_with_and_without_the_beginning(size, slots, steps):
    reports, index = KvReports(), KvIndex(size)
    reports.publish_events(index)
    cache = PrefixCache(
        slots, block_size=size, listener=WithoutBeginning(reports, BEGIN), states=None
    )
    held = {}
    for prompt, read, adapter in steps:
        prompt = (BEGIN, *prompt)
        lease = cache.take(prompt, adapter=adapter)
        cache.read(lease.slot, max(read, lease.cached))
        kept = cache.give_back(lease.slot)
        held[lease.slot] = prompt[:kept], adapter
        for asked in (None, "poet"):
            cells = [cells for cells, of in held.values() if of == asked]
            wanted = index.prefixes_of(cells)
            for each in cells:
                # The last token of the router's blocks lies in the cache's next one.
                if each[1:2] != (BEGIN,):
                    wanted |= index.prefixes_of([each[1 : len(each) + 1 - size]])
            assert index.prefixes_with(asked) == wanted
    cache.clear()
    assert index.prefixes_with(None) == index.prefixes_with("poet") == set()


@pytest.mark.parametrize("begin", [None, 7])
def test_nothing_is_added_where_prompts_do_not_begin_so(begin):
    reports, index = KvReports(), KvIndex(4)
    reports.publish_events(index)
    cache = PrefixCache(1, block_size=4, listener=WithoutBeginning(reports, begin), states=None)
    prompt = tuple(range(1, 14))
    cache.take(prompt)
    cache.read(0, len(prompt))
    assert index.prefixes == index.prefixes_of([prompt])


def test_two_blocks_may_end_the_same_block_of_a_router():
    reports, index = KvReports(), KvIndex(2)
    reports.publish_events(index)
    told = WithoutBeginning(reports, BEGIN)
    told.stored(None, [(10, (BEGIN, 2)), (11, (3, 4))], None)
    told.stored(10, [(12, (3, 5)), (13, (6, 7))], None)
    held = index.prefixes_of([(BEGIN, 2, 3, 4), (BEGIN, 2, 3, 5, 6, 7)])
    assert index.prefixes == held | {(2, 3), (2, 3, 5, 6)}
    told.removed([11])
    held = index.prefixes_of([(BEGIN, 2, 3, 5, 6, 7)])
    assert index.prefixes == held | {(2, 3), (2, 3, 5, 6)}
    told.removed([13, 12, 10])
    assert index.prefixes == set()


def test_a_prompt_that_begins_as_a_routers_does_has_blocks_of_its_own():
    reports, index = KvReports(), KvIndex(2)
    reports.publish_events(index)
    told = WithoutBeginning(reports, BEGIN)
    told.stored(None, [(10, (BEGIN, 2)), (11, (3, 4))], None)
    # The index fails where a hash comes twice.
    told.stored(None, [(block_hash(root_hash(None), (2, 3)), (2, 3))], None)
