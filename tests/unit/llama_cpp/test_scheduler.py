"""The steps, made one by one: what goes into each, and who waits for whom."""

import dataclasses
import itertools

from dynamo_backend_common.engines.llama_cpp import Options
from dynamo_backend_common.engines.llama_cpp.binding.model import Model
from dynamo_backend_common.engines.llama_cpp.cache.kv_reports import KvReports
from dynamo_backend_common.engines.llama_cpp.cache.prefix_cache import PrefixCache
from dynamo_backend_common.engines.llama_cpp.request.generation import read_request
from dynamo_backend_common.engines.llama_cpp.steps.prefill import next_piece, reads_for_both
from dynamo_backend_common.engines.llama_cpp.steps.scheduler import Scheduler
from dynamo_backend_common.engines.llama_cpp.steps.sequence import Sequence
from support.stepped import Stepped

STREAMS = itertools.count(1)


def _scheduler(model):
    cache = PrefixCache(model.max_num_seqs, block_size=16, listener=KvReports(), states=model)
    return Scheduler(model, prefill_chunk=32, cache=cache)


def _sequence(model, length, max_tokens, first=100):
    request = {
        "token_ids": list(range(first, first + length)),
        "stop_conditions": {"max_tokens": max_tokens, "ignore_eos": True},
        "sampling_options": {"temperature": 0},
    }
    generation = read_request(
        request,
        context_length=model.context_length,
        vocab_size=model.vocab_size,
        end_tokens=model.end_tokens,
        defaults={},
    )
    return Sequence(generation, next(STREAMS))


def _receivers(scheduler, **report):
    return [stream for stream, *_ in _step(scheduler, **report)]


def _step(scheduler, **report):
    return list(scheduler.step(**report))


def _streams(*sequences):
    return [sequence.stream for sequence in sequences]


def test_a_long_prompt_stalls_nobody(model):
    scheduler = _scheduler(model)
    talking = _sequence(model, 4, 100)
    scheduler.add(talking)
    assert _receivers(scheduler) == _streams(talking)
    long = _sequence(model, 300, 5)
    scheduler.add(long)
    steps = 0
    while long.stream not in (receivers := _receivers(scheduler)):
        assert receivers == _streams(talking)
        steps += 1
    # 300 tokens in pieces of 32: nine full ones, and the tenth step gives the first token.
    assert steps == 9
    assert receivers == _streams(talking, long)
    scheduler.close()


def test_a_prompt_is_read_alike_where_less_is_computed_at_once(model_file):
    options = Options(
        context_length=256,
        max_num_seqs=2,
        max_num_batched_tokens=64,
        prefill_chunk=32,
        ubatch_size=16,
        threads=1,
    )
    model = Model(model_file.path, options)
    stepped = Stepped(model, piece=options.prefill_chunk)
    prompt, wanted = range(300, 317), {"stop": {"max_tokens": 1}, "output": {"logprobs": 0}}
    [alone] = stepped.finish(stepped.sequence(prompt, **wanted))
    talking = stepped.sequence([5, 6, 7])
    stepped.scheduler.add(talking)
    stepped.step()
    [beside] = stepped.finish(stepped.sequence(prompt, **wanted))
    assert beside["log_probs"] == alone["log_probs"]
    stepped.scheduler.close()
    model.close()


def test_a_short_prompt_overtakes_a_long_one(model):
    scheduler = _scheduler(model)
    talking, long, short = (_sequence(model, length, 100) for length in (4, 400, 10))
    scheduler.add(talking)
    _step(scheduler)
    scheduler.add(long)
    _step(scheduler)
    scheduler.add(short)
    assert _receivers(scheduler) == _streams(talking)
    assert _receivers(scheduler) == _streams(talking, short)
    assert long.decoded == 64
    scheduler.close()


def test_prompts_alone_take_the_whole_step(model):
    scheduler = _scheduler(model)
    long = _sequence(model, 400, 5)
    scheduler.add(long)
    assert _receivers(scheduler) == []
    assert long.decoded == model.max_num_batched_tokens
    assert _receivers(scheduler) == _streams(long)
    scheduler.close()


def test_what_several_begin_with_is_read_once(model):
    """Also where they come at once, and others keep the pieces small."""
    scheduler = _scheduler(model)
    talking = _sequence(model, 4, 100)
    scheduler.add(talking)
    _step(scheduler)
    alike = [_sequence(model, length, 9) for length in (100, 90, 80)]
    for sequence in alike:
        scheduler.add(sequence)
    while not all(sequence.output for sequence in alike):
        assert talking.stream in _receivers(scheduler)
    assert [sequence.cached for sequence in alike] == [0, 88, 64]
    scheduler.close()


def test_a_prompt_waits_for_what_it_has_in_common_only(model):
    scheduler = _scheduler(model)
    talking = _sequence(model, 4, 100)
    scheduler.add(talking)
    _step(scheduler)
    long, other, own = (_sequence(model, length, 9) for length in (200, 60, 60))
    other.generation = _sequence(model, 60, 9, first=500).generation
    own.generation = dataclasses.replace(own.generation, shares_prefix=False)
    for sequence in (long, other, own):
        scheduler.add(sequence)
    for _ in range(6):
        assert talking.stream in _receivers(scheduler)
    # By turns, 32 tokens a step.
    assert [each.decoded for each in (long, other, own)] == [64, 61, 60]
    scheduler.close()


def test_a_step_serves_all_running_requests(model):
    scheduler = _scheduler(model)
    sequences = [_sequence(model, length, 10) for length in (3, 5, 7, 9)]
    for sequence in sequences:
        scheduler.add(sequence)
    for _ in range(3):
        assert _receivers(scheduler) == _streams(*sequences)
    assert scheduler.load.steps == 3
    scheduler.close()


def test_a_batch_is_in_the_order_of_slots(model, monkeypatch):
    """Else llama.cpp makes several of it, each with the whole model."""
    scheduler = _scheduler(model)
    talking = _sequence(model, 4, 100)
    scheduler.add(talking)
    _step(scheduler)
    # The shorter its prompt, the sooner one produces; slots they get as they come.
    late = [_sequence(model, length, 50, first) for length, first in ((90, 1), (60, 2), (5, 3))]
    for sequence in late:
        scheduler.add(sequence)
    while not all(sequence.output for sequence in late):
        _step(scheduler)
    batches = [[]]
    add, decode = Model.add, Model.decode

    def added(self, token, position, slot, *, sample):
        batches[-1].append(slot)
        return add(self, token, position, slot, sample=sample)

    def decoded(self):
        batches.append([])
        decode(self)

    monkeypatch.setattr(Model, "add", added)
    monkeypatch.setattr(Model, "decode", decoded)
    assert _receivers(scheduler) == _streams(talking, *reversed(late))
    assert batches[0] == [0, 1, 2, 3]
    scheduler.close()


def test_who_finds_no_slot_waits_for_one(model):
    scheduler = _scheduler(model)
    sequences = [_sequence(model, 4, tokens) for tokens in (2, 9, 9, 9, 3)]
    for sequence in sequences:
        scheduler.add(sequence)
    assert _receivers(scheduler) == _streams(*sequences[:4])
    assert (scheduler.load.running, scheduler.load.waiting) == (4, 1)
    assert _receivers(scheduler) == _streams(*sequences[:4])
    assert _receivers(scheduler) == _streams(*sequences[1:])
    assert sequences[4].slot == 0
    assert scheduler.load.waiting == 0
    scheduler.close()


def _tokens(made):
    return made["token_ids"] if isinstance(made, dict) else made


def test_a_slot_is_empty_for_its_next_request(model):
    def run():
        sequence = _sequence(model, 40, 8)
        scheduler.add(sequence)
        chunks = []
        while not scheduler.idle:
            chunks += [_tokens(made) for _, made, *_ in _step(scheduler)]
        return chunks

    scheduler = _scheduler(model)
    assert run() == run()
    assert scheduler.load.free_slots == 4


def test_the_cancelled_are_gone_after_the_next_step(model):
    scheduler = _scheduler(model)
    sequences = [_sequence(model, 4, 100) for _ in range(6)]
    for sequence in sequences:
        scheduler.add(sequence)
    _step(scheduler)
    running, waiting = sequences[1], sequences[5]
    # The fifth takes the place that the second left, in the same step.
    expected = _streams(sequences[0], *sequences[2:5])
    assert _receivers(scheduler, cancelled=_streams(running, waiting)) == expected
    assert scheduler.load.waiting == 0
    assert _step(scheduler, cancelled=_streams(*sequences)) == []
    assert scheduler.idle
    assert scheduler.load.free_slots == 4


def test_the_stalled_are_left_out_until_they_are_not(model):
    scheduler = _scheduler(model)
    one, other = (_sequence(model, 40, 8, first) for first in (100, 200))
    scheduler.add(one)
    scheduler.add(other)
    assert _receivers(scheduler) == _streams(one, other)
    assert _receivers(scheduler, stalled=[one.stream]) == [other.stream]
    assert _receivers(scheduler, stalled=_streams(one, other)) == []
    assert scheduler.paused
    assert scheduler.load.steps == 2
    assert scheduler.load.running == 2
    late = _sequence(model, 4, 8)
    scheduler.add(late)
    assert not scheduler.paused
    assert _receivers(scheduler, stalled=_streams(one, other)) == [late.stream]
    assert not scheduler.paused
    assert _receivers(scheduler) == _streams(one, other, late)
    assert (one.produced, other.produced) == (2, 3)
    scheduler.close()


def test_who_wants_no_output_needs_no_slot(model):
    scheduler = _scheduler(model)
    for sequence in [_sequence(model, 4, 9) for _ in range(4)]:
        scheduler.add(sequence)
    _step(scheduler)
    none = _sequence(model, 4, 0)
    scheduler.add(none)
    assert _step(scheduler)[0] == (none.stream, [], "length", none.usage)
    scheduler.close()


def test_closed_it_has_given_up_all(model):
    scheduler = _scheduler(model)
    for sequence in [_sequence(model, 4, 100) for _ in range(5)]:
        scheduler.add(sequence)
    _step(scheduler)
    scheduler.close()
    assert scheduler.idle


def test_no_prompt_leaves_a_piece_of_one_token():
    assert next_piece(1, 32) == 1
    assert next_piece(32, 32) == 32
    assert next_piece(33, 32) == 31
    assert next_piece(34, 32) == 32
    assert next_piece(1000, 32) == 32


def test_a_block_is_read_for_both_where_both_have_it():
    prompt, other = tuple(range(40)), (*range(32), 99, 99, 99)
    assert [reads_for_both(prompt, read, other, 16) for read in (0, 15, 16, 31)] == [True] * 4
    assert not reads_for_both(prompt, 32, other, 16)
    # Of this one the second block is not taken over: one token would be left of it.
    assert [reads_for_both(prompt, read, prompt[:33], 16) for read in (0, 16)] == [True, False]
    assert not reads_for_both(prompt, 0, (1, *prompt), 16)
