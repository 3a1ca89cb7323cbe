"""What the real model is spared, that its output stays the same, and that what is told is true."""

import asyncio
from types import SimpleNamespace

import pytest

from dynamo_backend_common.engines.llama_cpp.binding.model import Model
from dynamo_backend_common.exceptions import EngineShutdown
from dynamo_backend_common.testing import context as made_context
from support.kv_index import KvIndex

SIZE = 16
ENDLESS = {"max_tokens": None, "ignore_eos": True}
# Some eighty tokens, which are several pieces of a prompt.
STORY = "Once upon a time there was a lighthouse keeper who counted the ships. " * 5


class Cells:
    """What is in the cells of llama.cpp, by the calls that it gets.

    Attributes:
        decoded: Tokens that were given to ``llama_decode``.
        copies: Calls of ``llama_memory_seq_cp``.
    """

    def __init__(self, monkeypatch):
        self.decoded = self.copies = 0
        self._batch = []
        self._slots = {}
        self._model = None
        for name in ("add", "decode", "keep", "copy"):
            monkeypatch.setattr(Model, name, self._recorded(name, getattr(Model, name)))

    def sequences(self):
        """The tokens of each slot; llama.cpp itself must have as many."""
        for slot, tokens in self._slots.items():
            last = self._model.last_position(slot)
            assert last == len(tokens) - 1
        return list(self._slots.values())

    def _recorded(self, name, method):
        def call(model, *arguments, **options):
            self._model = model
            result = method(model, *arguments, **options)
            getattr(self, f"_{name}")(*arguments)
            return result

        return call

    def _add(self, token, position, slot):
        self._batch.append((token, position, slot))

    def _decode(self):
        self.decoded += len(self._batch)
        for token, position, slot in self._batch:
            tokens = self._slots.setdefault(slot, [])
            assert position == len(tokens)
            tokens.append(token)
        self._batch.clear()

    def _keep(self, slot, count):
        del self._slots.setdefault(slot, [])[count:]

    def _copy(self, source, target):
        self.copies += 1
        self._slots[target] = list(self._slots[source])


class Snapshots(list):
    """Takes the place of a publisher of snapshots."""

    def push(self, dp_rank, **state):
        assert dp_rank == 0
        self.append(SimpleNamespace(**state))


@pytest.fixture
def cells(monkeypatch):
    return Cells(monkeypatch)


@pytest.fixture
def begin(start, cells, metrics_context):
    """Starts an engine whose reports are received."""

    async def begin(**options):
        client = await start(**{"max_num_seqs": 4, "prefill_chunk": 32, "cache_ram": 0} | options)
        client.cells, client.index, client.snapshots = cells, KvIndex(SIZE), Snapshots()
        bindings = await client.engine.setup_metrics(metrics_context())
        assert bindings.dp_ranks == [0]
        bindings.on_publisher_ready(client.snapshots)
        for source in await client.engine.kv_event_sources():
            assert source.dp_rank == 0
            source.on_ready(client.index)
        return client

    return begin


@pytest.fixture
def prompts(chat):
    """Prompts that begin alike for a long time."""
    questions = ("Who is it about?", "What did he count?", "Where did he live, and when?", "Why?")
    return [chat(f"{STORY}\n{question}") for question in questions]


async def _idle(client):
    """Waits until nothing runs, and checks what was told."""
    # The snapshot is the last that a step does.
    await client.until(
        lambda: client.engine.load.running == 0 and client.snapshots[-1].used_blocks == 0
    )
    held = client.index.prefixes_of(client.cells.sequences())
    assert client.index.prefixes == held
    return held


def _cached(output):
    return output.chunks[-1]["completion_usage"]["prompt_tokens_details"]["cached_tokens"]


async def test_the_second_request_decodes_only_the_rest(begin, prompts):
    client = await begin()
    decoded = []
    for _ in range(2):
        before = client.cells.decoded
        output = await client.ask(prompts[0], stop=ENDLESS | {"max_tokens": 5})
        # The last token of an output is never decoded.
        decoded.append(client.cells.decoded - before - 4)
    length = len(prompts[0])
    kept = length - 2
    assert kept > 64
    assert decoded == [length, length - kept]
    assert _cached(output) == kept
    assert client.cells.copies == 0
    assert tuple(prompts[0][: length // SIZE * SIZE]) in await _idle(client)


async def test_what_was_cached_is_told_with_the_first_chunk(begin, prompts):
    client = await begin()
    for logprobs in (None, 1):
        await client.ask(prompts[0], stop={"max_tokens": 1})
        output = await client.ask(
            prompts[0], stop=ENDLESS | {"max_tokens": 4}, output={"logprobs": logprobs}
        )
        first, *between, last = output.chunks
        assert first["completion_usage"]["prompt_tokens_details"]["cached_tokens"] > 64
        assert first["completion_usage"]["completion_tokens"] == 1
        assert [chunk for chunk in between if "completion_usage" in chunk] == []
        assert last["completion_usage"]["completion_tokens"] == 4


async def test_it_is_only_told_of_when_it_is_there(begin, prompts, monkeypatch):
    client = await begin(ubatch_size=32)
    decode, held = Model.decode, []

    def decode_and_look(model):
        held.append(client.index.prefixes)
        decode(model)

    monkeypatch.setattr(Model, "decode", decode_and_look)
    await client.ask(prompts[0], stop={"max_tokens": 1})
    assert held[0] == set()
    # After each piece of 32 tokens, its two blocks.
    assert [len(prefixes) for prefixes in held] == [2 * piece for piece in range(len(held))]
    assert len(held) == -(-len(prompts[0]) // 32)


async def test_output_is_the_same_with_the_cache_and_without(start, begin, prompts):
    """To the last bit: the log probabilities tell."""
    one, other = prompts[:2]
    # One that goes on from it, then ends at and behind a block's end.
    order = [one, [*one, *other[:20]], one[:66], one[:65], one[:64]]
    at_once = [other, other[:50], one]

    async def outputs(client):
        options = {"stop": {"max_tokens": 3}, "output": {"logprobs": 3}}
        found = [await client.ask(prompt, **options) for prompt in order]
        found += await asyncio.gather(*(client.ask(prompt, **options) for prompt in at_once))
        for output in found:
            # Of the first chunk it is there for what was cached.
            output.chunks[0].pop("completion_usage", None)
            output.chunks[-1]["completion_usage"].pop("prompt_tokens_details", None)
        return [output.chunks for output in found]

    client = await begin(ubatch_size=32)
    cached = await outputs(client)
    await _idle(client)
    assert client.cells.copies > 0
    plain = await start(max_num_seqs=4, prefill_chunk=48, ubatch_size=48, prefix_caching=False)
    assert cached == await outputs(plain)


async def test_output_is_llama_s_own(begin, prompts, greedy):
    client = await begin()
    for prompt in prompts[:3]:
        assert (await client.ask(prompt, stop={"max_tokens": 8})).tokens == greedy(prompt, 8)
    assert client.snapshots[-1].kv_cache_hit_rate > 0.4


async def test_who_comes_at_the_same_time_shares_what_was_read_by_then(begin, prompts, greedy):
    client = await begin()
    outputs = await asyncio.gather(
        *(client.ask(prompt, stop={"max_tokens": 6}) for prompt in prompts)
    )
    assert [output.tokens for output in outputs] == [greedy(prompt, 6) for prompt in prompts]
    await _idle(client)
    assert sum(_cached(output) for output in outputs) > 0
    assert client.cells.copies > 0


async def test_output_is_not_kept(begin, prompts):
    """It is computed otherwise than a prompt: going on from it would give other output."""
    client = await begin()
    prompt = prompts[0]
    output = await client.ask(prompt, stop=ENDLESS | {"max_tokens": 40})
    longer = await client.ask([*prompt, *output.tokens, *prompt[:20]], stop={"max_tokens": 1})
    assert _cached(longer) == len(prompt)
    await _idle(client)


async def test_what_is_wanted_least_gives_way(begin, tokenize, greedy):
    client = await begin(max_num_seqs=2)
    first, second, third = (
        tokenize(f"{number} {STORY}")[:68] for number in ("One", "Two", "Three")
    )
    expected = {tuple(prompt): greedy(prompt, 3) for prompt in (first, second, third)}
    for prompt, cached in [
        (first, 0),
        (second, 0),
        (first, 66),
        (third, 0),
        (first, 66),
        (second, 0),
        (third, 0),
    ]:
        output = await client.ask(prompt, stop={"max_tokens": 3})
        assert _cached(output) == cached
        assert output.tokens == expected[tuple(prompt)]
        await _idle(client)
    assert client.index.prefixes == client.index.prefixes_of([second[:64], third[:64]])


async def test_a_slot_in_use_is_never_taken(begin, prompts, greedy):
    client = await begin(max_num_seqs=2)
    stream = client.stream(prompts[0], stop={"max_tokens": 200, "ignore_eos": True})
    await anext(stream)
    for prompt in (prompts[1], [1, *prompts[2]], prompts[3]):
        assert (await client.ask(prompt, stop={"max_tokens": 4})).tokens == greedy(prompt, 4)
        assert tuple(prompts[0][:SIZE]) in client.index.prefixes
    assert client.snapshots[-1].used_blocks > 0
    await stream.aclose()
    assert tuple(prompts[0][: len(prompts[0]) // SIZE * SIZE]) in await _idle(client)


async def test_what_a_cancelled_request_has_read_is_kept(begin, prompts, greedy, monkeypatch):
    client = await begin(max_num_seqs=1, ubatch_size=32)
    context = made_context()
    decode, pieces = Model.decode, iter(range(10_000))

    def decode_and_stop(model):
        decode(model)
        if next(pieces) == 2:
            context.stop()

    long = [*prompts[0], *prompts[1]][: 512 - 8]
    # A step reads more than this test leaves it, unless others produce output.
    monkeypatch.setattr(client.engine._loop._scheduler._model, "max_num_batched_tokens", 32)
    monkeypatch.setattr(Model, "decode", decode_and_stop)
    assert (await client.ask(long, context=context)).reason == "cancelled"
    monkeypatch.setattr(Model, "decode", decode)
    held = await _idle(client)
    assert held == client.index.prefixes_of([long[: 3 * 32]])
    output = await client.ask(long, stop={"max_tokens": 4})
    assert _cached(output) == 3 * 32
    assert output.tokens == greedy(long, 4)


async def test_who_is_cancelled_while_producing_leaves_the_prompt(begin, prompts):
    client = await begin()
    for prompt in prompts:
        stream = client.stream(prompt, stop=ENDLESS)
        for _ in range(3):
            await anext(stream)
        await stream.aclose()
    held = await _idle(client)
    assert held == client.index.prefixes_of(prompts)


async def test_snapshots_tell_blocks_and_hit_rate(begin, prompts):
    client = await begin()
    # 4 sequences of 512 tokens.
    assert vars(client.snapshots[0]) == {
        "total_blocks": 128,
        "used_blocks": 0,
        "kv_cache_hit_rate": None,
    }
    length = len(prompts[0])
    for _ in range(2):
        await client.ask(prompts[0], stop=ENDLESS | {"max_tokens": 30})
        await client.until(lambda: client.snapshots[-1].used_blocks == 0)
    rates = [snapshot.kv_cache_hit_rate for snapshot in client.snapshots if snapshot.used_blocks]
    assert rates[0] == 0.0
    assert rates[-1] == (length - 2) / (2 * length)
    most = max(snapshot.used_blocks for snapshot in client.snapshots)
    assert most == -(-(length + 28) // SIZE)


async def test_a_failure_takes_back_what_was_told(begin, prompts, monkeypatch):
    client = await begin()
    await client.ask(prompts[0], stop={"max_tokens": 4})
    assert client.index.prefixes

    def broken(model):
        raise RuntimeError("llama_decode answered -3")

    monkeypatch.setattr(Model, "decode", broken)
    # It fails while the prompt is read: the client is told of that too.
    with pytest.raises(EngineShutdown, match="llama_decode answered -3"):
        await client.ask(prompts[1])
    await client.until(lambda: not client.index.prefixes)


async def test_cleanup_takes_back_what_was_told(begin, prompts):
    client = await begin()
    stream = client.stream(prompts[0], stop=ENDLESS)
    await anext(stream)
    assert client.index.prefixes
    await client.engine.cleanup()
    assert not client.index.prefixes


async def test_a_salted_request_shares_nothing(begin, prompts):
    client = await begin()
    one, other = prompts[:2]

    async def cached(prompt, salt):
        output = await client.ask(prompt, stop={"max_tokens": 1}, routing={"cache_salt": salt})
        return _cached(output)

    assert await cached(one, "mine") == 0
    assert await cached(one, "mine") == 0
    assert not await _idle(client)
    assert await cached(other, None) == 0
    assert await cached(other, "mine") == 0
    assert await cached(other, None) > 0


async def test_switched_off_nothing_is_kept_or_told(begin, prompts):
    client = await begin(prefix_caching=False)
    assert await client.engine.kv_event_sources() == []
    for _ in range(2):
        before = client.cells.decoded
        output = await client.ask(prompts[0], stop=ENDLESS | {"max_tokens": 1})
        assert client.cells.decoded - before == len(prompts[0])
        assert "prompt_tokens_details" not in output.chunks[-1]["completion_usage"]
    await client.until(lambda: client.snapshots[-1].used_blocks == 0)
    assert {snapshot.kv_cache_hit_rate for snapshot in client.snapshots} == {None}


async def test_a_model_that_keeps_no_prefixes_has_no_cache(begin, prompts, monkeypatch, caplog):
    always_false = property(lambda _: False, lambda *_: None)
    monkeypatch.setattr(Model, "keeps_prefixes", always_false, raising=False)
    client = await begin()
    assert "prefix caching is off: 'SmolLM2-135M-Instruct' cannot keep a prefix" in caplog.text
    assert await client.engine.kv_event_sources() == []
    output = await client.ask(prompts[0], stop={"max_tokens": 1})
    assert "prompt_tokens_details" not in output.chunks[-1]["completion_usage"]
