"""Prompts that left their slots: the real model has them again, to the last bit."""

import re
import resource
from pathlib import Path

import pytest

from dynamo_backend_common.engines.llama_cpp.binding.model import Model
from support.kv_index import KvIndex

SIZE = 16
STORY = "Once upon a time there was a lighthouse keeper who counted the ships. " * 5
# Of 64 tokens, in MiB.
PROMPT = 1.4


@pytest.fixture
def prompts(tokenize):
    """Prompts of 68 tokens that begin otherwise."""
    return [tokenize(f"{number} {STORY}")[:68] for number in ("One", "Two", "Three", "Four")]


@pytest.fixture
def restored(monkeypatch):
    """What `restore_state` answered."""
    answers = []
    restore = Model.restore_state

    def noted(self, sequence, state):
        answers.append(restore(self, sequence, state))
        return answers[-1]

    monkeypatch.setattr(Model, "restore_state", noted)
    return answers


async def _ask(client, prompt):
    """The chunks of three tokens, without their usage, and how much of the prompt was found."""
    output = await client.ask(
        prompt, stop={"max_tokens": 3, "ignore_eos": True}, output={"logprobs": 3}
    )
    usages = [chunk.pop("completion_usage", None) for chunk in output.chunks]
    return output, usages[-1].get("prompt_tokens_details", {}).get("cached_tokens")


def _resident():
    """Bytes of memory that the process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def _index(client):
    index = KvIndex(SIZE)
    for source in await client.engine.kv_event_sources():
        source.on_ready(index)
    return index


async def test_output_is_the_same_as_without_it(start, prompts, restored):
    """To the last bit: the log probabilities tell."""
    client = await start(max_num_seqs=1)
    plain = await start(max_num_seqs=1, prefix_caching=False)
    index = await _index(client)
    one, two, three, _ = prompts
    order = [one, two, one, [*one[:40], *two[:20]], three, [*one, *three], two[:33], two]
    found = []
    for prompt in order:
        output, cached = await _ask(client, prompt)
        assert output == (await _ask(plain, prompt))[0]
        found.append(cached)
    assert found == [0, 0, 66, 40, 0, 68, 31, 66]
    assert restored == [True] * 4
    # Nothing was lost, and the router knows.
    assert index.prefixes >= index.prefixes_of([one[:64], two[:64], three[:64]])


async def test_it_takes_no_more_than_it_may(start, prompts, metrics_context):
    client, texts = await start(max_num_seqs=1, cache_ram=3), []
    await client.engine.setup_metrics(metrics_context(texts))
    index = await _index(client)
    for prompt in prompts:
        await _ask(client, prompt)
    # One is in the slot, and two are copies.
    assert index.prefixes == index.prefixes_of([prompt[:64] for prompt in prompts[1:]])

    def metric(name):
        [value] = re.findall(rf"^llamacpp:{name}{{.*}} (\d+)$", texts[0](), re.MULTILINE)
        return int(value)

    assert 2 * PROMPT * 2**20 < metric("prompt_cache_bytes") <= 3 * 2**20
    assert [(await _ask(client, prompt))[1] for prompt in (prompts[0], prompts[2])] == [0, 66]
    assert metric("prompt_cache_hits_total") == 66
    # What is still in the slot does not come from there.
    assert (await _ask(client, prompts[2]))[1] == 66
    assert metric("prompt_cache_hits_total") == 66


async def test_a_sleep_frees_it(start, prompts):
    client = await start(max_num_seqs=1)
    index = await _index(client)
    for prompt in prompts:
        await _ask(client, prompt)
    assert len(index.prefixes) == 4 * 4
    await client.engine.engine_control("sleep", {})
    assert not index.prefixes
    assert client.engine._kv_reports.use.saved_bytes == 0


@pytest.mark.parametrize("options", [{"cache_ram": 0}, {"cache_ram": 1}])
async def test_without_room_for_one_there_is_none(start, prompts, restored, options):
    client = await start(max_num_seqs=1, **options)
    for prompt in (*prompts[:2], prompts[0]):
        assert (await _ask(client, prompt))[1] == 0
    assert restored == []


async def test_who_runs_has_all_cells_where_they_are_shared(start, prompts, greedy, restored):
    """Idle slots are emptied: each step would look at their cells too."""
    client = await start(max_num_seqs=4, kv_unified=True, context_length=256)
    model = client.engine._loaded.model
    for prompt, cached in [*((prompt, 0) for prompt in prompts), (prompts[0], 66)]:
        output, found = await _ask(client, prompt)
        assert found == cached
        assert output.tokens == greedy(prompt, 3)
        taken = [slot for slot in range(model.max_slots) if model.last_position(slot) >= 0]
        assert len(taken) == 1
    assert restored == [True]


async def test_where_there_is_no_room_it_is_read_once_more(start, prompts, restored, caplog):
    client = await start(max_num_seqs=2, kv_unified=True, context_length=256)
    for prompt in prompts[:2]:
        await _ask(client, prompt)
    # It takes more than the cells that are left.
    running = client.stream(prompts[2] * 3, stop={"max_tokens": 40, "ignore_eos": True})
    await anext(running)
    output, cached = await _ask(client, prompts[0])
    # Not beside the other one, and then not beside what that one has left, which is freed.
    assert (cached, len(output.tokens)) == (0, 3)
    assert restored == [False, False, True]
    await running.aclose()
    assert (await _ask(client, prompts[0]))[1] == 66
    assert caplog.text == ""


def test_what_is_dropped_goes_back_to_the_system(model, tokenize):
    for position, token in enumerate(tokenize(STORY)[:68]):
        model.add(token, position, 0, sample=False)
    model.decode()
    # From its first one on, malloc would put the next of its size where only the end is given back.
    assert model.save_state(0) is not None
    states = [model.save_state(0) for _ in range(40)]
    before = _resident()
    del states[:-1]
    model.keep(0, 0)
    assert before - _resident() > 30 * PROMPT * 2**20


def test_memory_that_there_is_not_is_no_state(model, monkeypatch):
    monkeypatch.setattr(Model, "state_size", lambda *_: 2**60)
    assert model.save_state(0) is None
