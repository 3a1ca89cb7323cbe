"""One KV cache for all requests: nobody is cut where it is full, and what is told of it is true."""

import asyncio
from types import SimpleNamespace

import pytest

from dynamo_backend_common.engines.llama_cpp.binding.model import Model
from dynamo_backend_common.engines.llama_cpp.steps.scheduler import Scheduler
from dynamo_backend_common.testing import context as made_context
from support.kv_index import KvIndex

SIZE = 16
TOTAL = 256
ENDLESS = {"max_tokens": None, "ignore_eos": True}
STORY = "Once upon a time there was a lighthouse keeper who counted the ships. " * 5


@pytest.fixture
async def unified(start, metrics_context, request):
    """Four requests with one cache; more options by the test's parameter."""
    more = getattr(request, "param", {})
    client = await start(
        kv_unified=True, context_length=TOTAL, max_num_seqs=4, prefill_chunk=32, **more
    )
    client.index, client.snapshots = KvIndex(SIZE), []
    push = SimpleNamespace(push=lambda _, **state: client.snapshots.append(state))
    (await client.engine.setup_metrics(metrics_context())).on_publisher_ready(push)
    for source in await client.engine.kv_event_sources():
        source.on_ready(client.index)
    return client


@pytest.fixture
def preempted(monkeypatch):
    """Counts who gave way."""
    counted = []
    make_room = Scheduler._make_room

    def made(self):
        before = len(self._waiting)
        make_room(self)
        if len(self._waiting) > before:
            counted.append(self._waiting[0].stream)

    monkeypatch.setattr(Scheduler, "_make_room", made)
    return counted


def _are_likeliest(model, prompt, tokens):
    """Whether each token of an output is the likeliest, but for rounding, by a cache of its own."""
    text = [*prompt, *tokens]
    # Other tests have left something there.
    model.keep(0, 0)
    places = [model.add(token, at, 0, sample=True) for at, token in enumerate(text)]
    model.decode()
    model.keep(0, 0)
    missed = [
        model.logits(place).max() - model.logits(place)[token]
        for place, token in zip(places[len(prompt) - 1 :], tokens, strict=False)
    ]
    # Rounding alone makes 0.2 of it; a cell that is not its own, several units at once.
    return max(missed) < 1.0


async def test_memory_is_for_all_together(unified, tokenize):
    assert unified.snapshots[0]["total_blocks"] == TOTAL // SIZE
    prompt = tokenize(STORY * 3)[:216]
    output = await unified.ask(prompt, stop=ENDLESS)
    assert output.chunks[-1]["completion_usage"]["total_tokens"] == TOTAL


async def test_more_than_fits_is_finished_all_the_same(unified, chat, model, preempted):
    """Each alone takes about half of the room."""
    prompts = [chat(f"{STORY} {number}") for number in ("One?", "Two?", "Three?", "Four?")]
    options = {"stop": {"max_tokens": 24, "ignore_eos": True}, "routing": {"cache_salt": "own"}}
    assert len(prompts[0]) + 24 > TOTAL / 3
    outputs = await asyncio.gather(*(unified.ask(prompt, **options) for prompt in prompts))
    assert [len(output.tokens) for output in outputs] == [24] * 4
    assert [output.reason for output in outputs] == ["length"] * 4
    # Who came first was never sent back.
    assert preempted
    assert min(preempted) > 1
    assert all(snapshot["used_blocks"] <= TOTAL // SIZE for snapshot in unified.snapshots)
    assert unified.engine.load.free_slots == 4
    # Who gave way was looked for once.
    assert unified.engine._counts.prefix_cache_queries == sum(map(len, prompts))
    for prompt, output in zip(prompts, outputs, strict=True):
        assert _are_likeliest(model, prompt, output.tokens)


async def test_what_several_begin_with_is_there_once(unified, chat, model, preempted, monkeypatch):
    """Four of them would not fit without sharing."""
    decoded = []
    add = Model.add

    def added(self, token, *arguments, **options):
        decoded.append(token)
        return add(self, token, *arguments, **options)

    monkeypatch.setattr(Model, "add", added)
    prompts = [chat(f"{STORY} {number}") for number in ("One?", "Two?", "Three?", "Four?")]
    assert 4 * len(prompts[0]) > TOTAL
    await unified.ask(prompts[0], stop={"max_tokens": 1})
    read = len(decoded)
    outputs = await asyncio.gather(
        *(unified.ask(prompt, stop={"max_tokens": 12}) for prompt in prompts)
    )
    assert len(decoded) - read < 2 * len(prompts[0])
    assert preempted == []
    for prompt, output in zip(prompts, outputs, strict=True):
        assert _are_likeliest(model, prompt, output.tokens)


@pytest.mark.parametrize("unified", [{"cache_ram": 0}], indirect=True)
async def test_what_is_kept_gives_way_to_who_runs(unified, tokenize, preempted):
    kept = [tokenize(f"{number} {STORY}")[:52] for number in ("One", "Two", "Three", "Four")]
    for prompt in kept:
        await unified.ask(prompt, stop={"max_tokens": 2})
    held = unified.index.prefixes_of([prompt[:48] for prompt in kept])
    assert unified.index.prefixes == held
    long = tokenize(f"Other {STORY * 4}")[:150]
    await unified.ask(long, stop={"max_tokens": 2})
    # Of 256 cells 151 are its own, and two of those that were kept have 96.
    assert unified.index.prefixes == unified.index.prefixes_of(
        [*(prompt[:48] for prompt in kept[2:]), long[:144]]
    )
    assert preempted == []


async def test_who_gave_way_can_be_cancelled(unified, chat, preempted):
    context = made_context()
    prompts = [chat(f"{STORY} {number}") for number in ("One?", "Two?", "Three?")]
    streams = [
        asyncio.ensure_future(
            unified.ask(
                prompt,
                stop=ENDLESS | {"max_tokens": 40},
                routing={"cache_salt": "own"},
                context=context if number == 2 else None,
            )
        )
        for number, prompt in enumerate(prompts)
    ]
    await unified.until(lambda: bool(preempted))
    context.stop()
    outputs = await asyncio.gather(*streams)
    assert [output.reason for output in outputs][2] == "cancelled"
    assert [len(output.tokens) for output in outputs[:2]] == [40, 40]


async def test_who_gave_way_goes_on_with_drafts(start, model_file, chat, model, preempted):
    client = await start(
        kv_unified=True,
        context_length=TOTAL,
        max_num_seqs=3,
        prefill_chunk=32,
        model_draft=str(model_file.path),
    )
    prompts = [chat(f"{number}. {STORY}") for number in ("One", "Two", "Three")]
    outputs = await asyncio.gather(
        *(client.ask(prompt, stop=ENDLESS | {"max_tokens": 48}) for prompt in prompts)
    )
    assert preempted
    for prompt, output in zip(prompts, outputs, strict=True):
        assert len(output.tokens) == 48
        assert _are_likeliest(model, prompt, output.tokens)
