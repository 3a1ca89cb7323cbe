"""The draft model: what it reads, what it keeps of it, and which model can be one."""

import pytest

from dynamo_backend_common.engines.llama_cpp import LlamaCpp, Options
from dynamo_backend_common.engines.llama_cpp.binding.model import Interrupted
from dynamo_backend_common.engines.llama_cpp.files.model_file import ModelFile
from dynamo_backend_common.engines.llama_cpp.loaded import load
from dynamo_backend_common.exceptions import InvalidArgument
from support.stepped import Stepped
from support.tiny_gguf import write_tiny

PIECE = 16
VOCABULARY = 300
SMALL = {
    "context_length": 256,
    "max_num_seqs": 3,
    "max_num_batched_tokens": 128,
    "prefill_chunk": PIECE,
    "threads": 1,
}


def _loaded(path, draft, **more):
    options = Options(model_path=str(path), model_draft=str(draft), **SMALL | more)
    return load(ModelFile(path), ModelFile(draft), options)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.gguf", vocab_size=VOCABULARY)


@pytest.fixture
def alike(tiny):
    """A model that drafts for itself."""
    loaded = _loaded(tiny, tiny)
    yield loaded
    loaded.close()


def _reads(loaded, monkeypatch):
    """The places that the draft model computes: (slot, position)."""
    places = []
    add = loaded.draft.add

    def noted(token, position, slot, *, sample):
        places.append((slot, position))
        return add(token, position, slot, sample=sample)

    monkeypatch.setattr(loaded.draft, "add", noted)
    return places


@pytest.fixture
def reads(alike, monkeypatch):
    return _reads(alike, monkeypatch)


def _all_right(stepped):
    """Whether the draft model knew all: it has read the same."""
    return 0 < stepped.counts.n_draft_tokens == stepped.counts.n_draft_accepted


def test_it_reads_each_token_once(alike, reads):
    stepped = Stepped(alike.model, alike.speculation(), piece=PIECE)
    sequence = stepped.sequence(range(100, 150), stop={"max_tokens": 17})
    stepped.finish(sequence)
    # The first token comes of the prompt, and four by four the others; nothing follows the last.
    assert _all_right(stepped)
    assert stepped.counts.n_draft_tokens == 12
    assert reads == [(0, position) for position in range(len(reads))]
    assert 50 + 14 <= len(reads) <= 50 + 16


def test_what_it_has_read_of_a_prompt_is_kept(alike, reads):
    stepped = Stepped(alike.model, alike.speculation(), piece=PIECE)
    prompt = [*range(100, 148), 7, 8]
    stepped.finish(stepped.sequence(prompt))
    reads.clear()
    # In the same slot, after another end.
    stepped.finish(stepped.sequence([*prompt[:48], 9, 10]))
    assert min(position for _, position in reads) == 48
    reads.clear()
    # Two at once: one of them from a copy in another slot.
    stepped.finish(*(stepped.sequence([*prompt[:48], 11, last]) for last in (12, 13)))
    assert {slot for slot, _ in reads} == {0, 1}
    assert min(position for _, position in reads) == 48
    reads.clear()
    # One that shares less of it.
    stepped.finish(stepped.sequence([*prompt[:20], *range(200, 230)]))
    assert 16 <= min(position for _, position in reads) <= 20
    # Of a longer one all is kept, and nothing of the output: that was computed token by token.
    longer = [*prompt[:20], *range(200, 260)]
    [result] = stepped.finish(stepped.sequence(longer))
    reads.clear()
    stepped.finish(stepped.sequence([*longer, *result["token_ids"], 9]))
    assert min(position for _, position in reads) == len(longer)
    assert _all_right(stepped)


def test_output_is_not_kept_where_a_longer_prompt_was(tiny, monkeypatch):
    loaded = _loaded(tiny, tiny, max_num_seqs=1)
    reads = _reads(loaded, monkeypatch)
    stepped = Stepped(loaded.model, loaded.speculation(), piece=PIECE)
    longer = list(range(100, 150))
    shorter = [*longer[:20], 7, 8, 9, 10]
    stepped.finish(stepped.sequence(longer))
    [result] = stepped.finish(stepped.sequence(shorter))
    reads.clear()
    stepped.finish(stepped.sequence([*shorter, *result["token_ids"], 9]))
    assert min(position for _, position in reads) == len(shorter)
    loaded.close()


def test_an_interruption_ends_a_draft(alike, monkeypatch):
    stepped = Stepped(alike.model, alike.speculation(), piece=PIECE)
    decode, given_up = alike.draft.decode, []

    def interrupted():
        stepped.scheduler.interrupt()
        try:
            decode()
        except Interrupted:
            given_up.append(alike.draft)
            raise

    monkeypatch.setattr(alike.draft, "decode", interrupted)
    with pytest.raises(Interrupted):
        stepped.finish(stepped.sequence(range(100, 150)))
    assert given_up == [alike.draft]


def test_what_only_the_large_model_has_again_is_read_piece_by_piece(tiny, monkeypatch):
    loaded = _loaded(tiny, tiny, max_num_seqs=1, ubatch_size=2 * PIECE)
    places = _reads(loaded, monkeypatch)
    stepped = Stepped(loaded.model, loaded.speculation(), piece=PIECE, cache_ram=2**30)
    one, other = range(20, 190), range(60, 230)
    expected = stepped.finish(*map(stepped.sequence, (one, other)))
    sequence = stepped.sequence(one)
    stepped.scheduler.add(sequence)
    drafted = stepped.counts.n_draft_tokens
    reads = []
    while not stepped.scheduler.idle:
        places.clear()
        stepped.step()
        reads.append(len(places))
    assert sequence.cached == 168
    assert stepped.result(sequence)["token_ids"] == expected[0]["token_ids"]
    # Beside its piece, at most a draft.
    assert reads[0] == 2 * PIECE
    assert max(reads[1:]) <= PIECE + 4
    assert sum(reads) >= 170
    assert stepped.counts.n_draft_tokens > drafted
    assert _all_right(stepped)
    loaded.close()


def test_nothing_is_kept_of_who_shares_nothing(alike, reads):
    stepped = Stepped(alike.model, alike.speculation(), piece=PIECE)
    salted = {"routing": {"cache_salt": "mine"}}
    prompt = range(100, 150)
    for more in (salted, {}, salted):
        reads.clear()
        stepped.finish(stepped.sequence(prompt, **more))
        assert min(position for _, position in reads) == 0
    running = stepped.sequence(range(200, 250), **salted)
    stepped.scheduler.add(running)
    while not running.output:
        stepped.step()
    reads.clear()
    taken = running.slot
    stepped.finish(stepped.sequence(range(200, 250)))
    assert min(position for slot, position in reads if slot != taken) == 0
    assert _all_right(stepped)


def test_a_cancelled_request_leaves_its_prompt(alike, reads):
    stepped = Stepped(alike.model, alike.speculation(), piece=PIECE)
    sequence = stepped.sequence(range(100, 150), stop={"max_tokens": 60})
    stepped.scheduler.add(sequence)
    while sequence.produced < 9:
        stepped.step()
    stepped.step(cancelled=[sequence.stream])
    assert stepped.scheduler.idle
    reads.clear()
    stepped.finish(stepped.sequence(range(100, 150)))
    assert 32 <= min(position for _, position in reads) <= 48
    assert _all_right(stepped)


def test_a_shorter_context_ends_the_drafts(tmp_path, tiny):
    shorter = write_tiny(
        tmp_path / "shorter.gguf", vocab_size=VOCABULARY, values={"llama.context_length": 256}
    )
    loaded = _loaded(tiny, shorter, context_length=512)
    assert (loaded.model.context_length, loaded.draft.context_length) == (512, 256)
    stepped = Stepped(loaded.model, loaded.speculation(), piece=PIECE)
    sequences = [
        stepped.sequence(range(20, count), stop={"max_tokens": 40}) for count in (260, 299)
    ]
    [crossing, beyond] = stepped.finish(*sequences)
    assert _all_right(stepped)
    assert stepped.counts.n_draft_tokens <= 16
    assert len(crossing["token_ids"]) == len(beyond["token_ids"]) == 40
    loaded.close()


def test_tokens_that_only_one_of_both_has(tmp_path, tiny):
    for size in (VOCABULARY - 100, VOCABULARY + 100):
        other = write_tiny(tmp_path / f"{size}.gguf", vocab_size=size)
        loaded = _loaded(tiny, other)
        stepped = Stepped(loaded.model, loaded.speculation(), piece=PIECE)
        # Of the second prompt a smaller vocabulary has a part only.
        sequences = [stepped.sequence(range(first, first + 50)) for first in (10, 180)]
        results = stepped.finish(*sequences)
        alone = Stepped(loaded.model, piece=PIECE)
        expected = alone.finish(*(alone.sequence(range(first, first + 50)) for first in (10, 180)))
        assert [each["token_ids"] for each in results] == [each["token_ids"] for each in expected]
        assert stepped.counts.n_draft_tokens > 0
        loaded.close()


def test_a_token_that_it_lacks_ends_the_drafts_of_one_request_only(tmp_path, tiny):
    smaller = write_tiny(tmp_path / "smaller.gguf", vocab_size=VOCABULARY - 100)
    loaded = _loaded(tiny, smaller, max_num_seqs=1)
    stepped = Stepped(loaded.model, loaded.speculation(), piece=PIECE)
    drafted = []
    for first in (180, 10):
        stepped.finish(stepped.sequence(range(first, first + 50)))
        drafted.append(stepped.counts.n_draft_tokens)
    assert drafted[0] == 0 < drafted[1]
    loaded.close()


def test_who_gives_way_to_others_has_drafts_later(tiny):
    def served(**more):
        loaded = _loaded(tiny, tiny, **more)
        stepped = Stepped(loaded.model, loaded.speculation(), piece=PIECE)
        asked = [range(first, first + 50) for first in (20, 90, 160)]
        results = stepped.finish(
            *(stepped.sequence(prompt, stop={"max_tokens": 60}) for prompt in asked)
        )
        loaded.close()
        return [each["token_ids"] for each in results], stepped.counts

    # 330 tokens in a cache of 256.
    tokens, counts = served(kv_unified=True, kv_cache_tokens=256)
    assert tokens == served()[0]
    assert 100 < counts.n_draft_accepted <= counts.n_draft_tokens


@pytest.mark.parametrize(
    ("p_min", "n_min", "lengths"), [(0.3, 0, {1, 2, 3}), (0.3, 3, {3}), (1.0, 0, set())]
)
def test_a_draft_ends_where_a_token_is_unlikely(tiny, p_min, n_min, lengths):
    loaded = _loaded(tiny, tiny, spec_draft_p_min=p_min, spec_draft_n_min=n_min)
    stepped = Stepped(loaded.model, loaded.speculation(), piece=PIECE)
    stepped.scheduler.add(stepped.sequence(range(100, 150), stop={"max_tokens": 60}))
    seen, before = set(), 0
    while not stepped.scheduler.idle:
        stepped.step()
        seen.add(stepped.counts.n_draft_tokens - before)
        before = stepped.counts.n_draft_tokens
    assert seen == {0, *lengths}
    loaded.close()


@pytest.mark.parametrize(
    ("vocab_size", "values", "difference"),
    [
        (VOCABULARY + 129, {}, "it has 429 tokens, not 300"),
        (
            VOCABULARY,
            {"tokenizer.ggml.tokens": [*(f"a{n}" for n in range(299)), "b"]},
            "token 299 is b'b', not b'a299'",
        ),
        (
            VOCABULARY,
            {"tokenizer.ggml.add_bos_token": True},
            "whether a token begins a text is True, not False",
        ),
    ],
)
async def test_another_vocabulary_is_refused(tmp_path, tiny, vocab_size, values, difference):
    other = write_tiny(tmp_path / "other.gguf", vocab_size=vocab_size, values=values)
    engine = LlamaCpp(model_path=str(tiny), model_draft=str(other), **SMALL)
    with pytest.raises(InvalidArgument) as caught:
        await engine.start(1)
    assert f"the draft model 'other.gguf' has another vocabulary than the model: {difference}" in (
        str(caught.value)
    )
    await engine.cleanup()


async def test_a_draft_model_that_is_none_is_named_before_the_model_is_loaded(tmp_path, tiny):
    none = tmp_path / "none.gguf"
    none.write_bytes(b"anything")
    engine = LlamaCpp(model_path=str(tiny), model_draft=str(none), **SMALL)
    told = []
    with pytest.raises(InvalidArgument, match=r"none\.gguf' is no GGUF file"):
        await engine.start(1, lambda message, fraction=None: told.append(message))
    assert told == []
    await engine.cleanup()


async def test_both_models_are_told_of_while_they_load_and_freed_at_the_end(tmp_path, tiny):
    draft = write_tiny(tmp_path / "draft.gguf", vocab_size=VOCABULARY)
    engine = LlamaCpp(model_path=str(tiny), model_draft=str(draft), **SMALL)
    told = []
    await engine.start(1, lambda message, fraction=None: told.append(message))
    assert list(dict.fromkeys(told)) == ["loading tiny", "loading draft"]
    loaded = engine._loaded
    assert loaded.model.max_num_seqs == loaded.draft.max_num_seqs
    await engine.cleanup()
    assert (loaded.model._context, loaded.draft._context) == (None, None)


def test_there_is_no_such_draft_model(tiny):
    with pytest.raises(InvalidArgument, match=r"'/nowhere/m\.gguf' is no file here"):
        LlamaCpp(model_path=str(tiny), model_draft="/nowhere/m.gguf")


def test_who_cannot_forget_a_token_has_no_drafts(tmp_path, tiny, caplog):
    recurrent = write_tiny(tmp_path / "recurrent.gguf", vocab_size=VOCABULARY, architecture="mamba")
    for model, draft, name in (
        (recurrent, tiny, "the model"),
        (tiny, recurrent, "the draft model 'recurrent'"),
    ):
        caplog.clear()
        loaded = _loaded(model, draft)
        assert f"speculative decoding is off: {name} cannot forget single tokens" in caplog.text
        assert loaded.draft is None
        stepped = Stepped(loaded.model, loaded.speculation(), piece=PIECE)
        if model == tiny:
            [result] = stepped.finish(stepped.sequence(range(100, 150)))
            assert len(result["token_ids"]) == 16
            assert stepped.counts.n_draft_tokens == 0
        loaded.close()
    caplog.clear()
    options = Options(model_path=str(recurrent), spec_type="ngram-simple", **SMALL)
    loaded = load(ModelFile(recurrent), None, options)
    assert loaded.speculation().draft([]) == []
    assert "speculative decoding is off: the model" in caplog.text
    loaded.close()
