"""The draft model: what it reads, what it keeps of it, and which model can be one."""

import pytest

from dynamo_backend_common.engines.llama_cpp import LlamaCpp, Options
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


@pytest.fixture
def reads(alike, monkeypatch):
    """The places that the draft model computes: (slot, position)."""
    places = []
    add = alike.draft.add

    def noted(token, position, slot, *, sample):
        places.append((slot, position))
        return add(token, position, slot, sample=sample)

    monkeypatch.setattr(alike.draft, "add", noted)
    return places


def _all_right(stepped):
    """Whether the draft model knew all: it has read the same."""
    speculation = stepped.scheduler.speculation
    return 0 < speculation.drafted == speculation.accepted


def test_it_reads_each_token_once(alike, reads):
    stepped = Stepped(alike.model, alike.speculation(), piece=PIECE)
    sequence = stepped.sequence(range(100, 150), stop={"max_tokens": 17})
    stepped.finish(sequence)
    # The first token comes of the prompt, and four by four the others; nothing follows the last.
    assert _all_right(stepped)
    assert stepped.scheduler.speculation.drafted == 12
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
    assert _all_right(stepped)


def test_nothing_is_kept_of_who_shares_nothing(alike, reads):
    stepped = Stepped(alike.model, alike.speculation(), piece=PIECE)
    salted = {"routing": {"cache_salt": "mine"}}
    prompt = range(100, 150)
    for more in (salted, {}, salted):
        reads.clear()
        stepped.finish(stepped.sequence(prompt, **more))
        assert min(position for _, position in reads) == 0
    stepped.finish(stepped.sequence(prompt))
    reads.clear()
    running = stepped.sequence(prompt, **salted)
    stepped.finish(running, stepped.sequence(prompt))
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
    assert stepped.scheduler.speculation.drafted <= 16
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
        assert stepped.scheduler.speculation.drafted > 0
        loaded.close()


def test_a_draft_that_is_unlikely_or_short_is_none(tiny):
    for more in ({"spec_draft_p_min": 1.0}, {"spec_draft_n_min": 16, "spec_draft_n_max": 16}):
        loaded = _loaded(tiny, tiny, **more)
        stepped = Stepped(loaded.model, loaded.speculation(), piece=PIECE)
        stepped.finish(stepped.sequence(range(100, 150)))
        assert stepped.scheduler.speculation.drafted == 0
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


def test_there_is_no_such_draft_model(tiny):
    with pytest.raises(InvalidArgument, match=r"'/nowhere/m\.gguf' does not exist"):
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
            assert stepped.scheduler.speculation.drafted == 0
        loaded.close()
    caplog.clear()
    options = Options(model_path=str(recurrent), spec_type="ngram-simple", **SMALL)
    loaded = load(ModelFile(recurrent), None, options)
    assert loaded.speculation().draft([]) == []
    assert "speculative decoding is off: the model" in caplog.text
    loaded.close()
