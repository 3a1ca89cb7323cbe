"""Drafts change how many tokens a step has, and nothing else.

With flash attention, and one thread, llama.cpp rounds several tokens of a sequence as it does one:
the tests see output that is equal to the last bit.
"""

import pytest

from dynamo_backend_common.engines.llama_cpp import Options
from dynamo_backend_common.engines.llama_cpp.loaded import load
from dynamo_backend_common.engines.llama_cpp.steps.draft_model import ModelDrafter
from dynamo_backend_common.engines.llama_cpp.steps.ngrams import NGramDrafter
from dynamo_backend_common.engines.llama_cpp.steps.speculation import Speculation
from support.stepped import Stepped

PIECE = 32
LONGEST = 9


@pytest.fixture(scope="module")
def loaded(model_file):
    """The model, and itself as its draft model: whose guesses are right then, always."""
    options = Options(
        model_draft=str(model_file.path),
        context_length=512,
        max_num_seqs=4,
        max_num_batched_tokens=256,
        prefill_chunk=PIECE,
        threads=1,
        flash_attn="on",
    )
    loaded = load(model_file, model_file, options)
    yield loaded
    loaded.close()


class Guesser:
    """Guesses what is known to come, but for every fourth token, which is another."""

    def __init__(self, outputs, vocab_size):
        self.outputs = outputs
        self.vocab_size = vocab_size

    def read(self, sequence): ...

    def forget(self, sequence): ...

    def draft(self, wanted):
        assert all(most <= min(LONGEST, sequence.left - 1) for sequence, most in wanted)
        return [self._guess(sequence, most) for sequence, most in wanted]

    def _guess(self, sequence, most):
        coming = self.outputs[sequence.generation.prompt][sequence.produced :][:most]
        return [
            (token + 1) % self.vocab_size if place % 4 == 3 else token
            for place, token in enumerate(coming, start=sequence.produced)
        ]


def _ngrams():
    return NGramDrafter(size_n=2, size_m=6)


def _draft_model(loaded, **more):
    settings = {"n_max": 5, "n_min": 0, "p_min": 0.0, "piece": PIECE, "reuses": True} | more
    return ModelDrafter(loaded.draft, vocab_size=loaded.model.vocab_size, **settings)


REQUESTS = {
    "plain": {},
    "penalties": {"sampling": {"repetition_penalty": 1.3, "presence_penalty": 0.5}},
    "frequency": {"sampling": {"frequency_penalty": 0.7}},
    "log probabilities": {"output": {"logprobs": 2}},
    "drawn": {"sampling": {"temperature": 0.8, "top_p": 0.9, "seed": 5}},
    "drawn of all": {"sampling": {"temperature": 1.5, "seed": 6}, "output": {"logprobs": 0}},
    "a grammar": {"grammar": 'root ::= (" one" | " two" | " three" | " four" | " six")+ "."'},
    "a grammar, drawn": {
        "grammar": 'root ::= (" one two" | " three" | " five")+',
        "sampling": {"temperature": 1.2, "seed": 3},
        "stop": {"min_tokens": 4},
    },
    "a bias": {"sampling": {"logit_bias": {"338": 5, "827": -4}}},
    "one token": {"stop": {"max_tokens": 1}},
    "two tokens": {"stop": {"max_tokens": 2}},
}


@pytest.fixture(scope="module")
def repeating(tokenize):
    return tuple(tokenize("one two three four " * 6))


@pytest.fixture(scope="module")
def without(loaded, repeating):
    """What each request answers without drafts."""
    served = Stepped(loaded.model)
    sequences = [served.sequence(repeating, **request) for request in REQUESTS.values()]
    return dict(zip(REQUESTS, served.finish(*sequences), strict=True)), served.steps


@pytest.mark.parametrize("who", ["ngrams", "draft model", "both", "who is often wrong"])
def test_the_output_is_the_one_without(loaded, without, repeating, who):
    results, steps = without
    plain = {repeating: results["plain"]["token_ids"]}
    drafters = {
        "ngrams": lambda: [_ngrams()],
        "draft model": lambda: [_draft_model(loaded)],
        "both": lambda: [_ngrams(), _draft_model(loaded, p_min=0.4, n_max=3)],
        "who is often wrong": lambda: [Guesser(plain, loaded.model.vocab_size)],
    }[who]()
    served = Stepped(loaded.model, Speculation(drafters, longest=LONGEST))
    sequences = [served.sequence(repeating, **request) for request in REQUESTS.values()]
    assert dict(zip(REQUESTS, served.finish(*sequences), strict=True)) == results
    assert 0 < served.counts.n_draft_accepted <= served.counts.n_draft_tokens
    assert served.steps < steps
    assert [each._histories for each in drafters if isinstance(each, NGramDrafter)] in ([], [{}])
    served.scheduler.close()


def _guesser(loaded, prompts, results):
    outputs = {
        tuple(prompt): result["token_ids"] for prompt, result in zip(prompts, results, strict=True)
    }
    return Speculation([Guesser(outputs, loaded.model.vocab_size)], longest=LONGEST)


@pytest.mark.parametrize(
    "stop",
    [
        {"stop_token_ids_hidden": None},
        {"stop_token_ids_visible": None},
        {"stop_token_ids": None},
        {"stop_token_ids": None, "min_tokens": 14},
        {"stop_token_ids": None, "max_tokens": 5},
    ],
)
def test_an_end_among_the_guessed(loaded, tokenize, stop):
    prompt = tokenize("The capital of France is Paris, and the capital of Italy is")
    alone = Stepped(loaded.model)
    [plain] = alone.finish(alone.sequence(prompt))
    tokens = plain["token_ids"]
    end = next(
        token for place, token in enumerate(tokens[5:], start=5) if token not in tokens[:place]
    )
    wanted = {name: value or [end] for name, value in stop.items()}
    results = []
    for speculation in (None, _guesser(loaded, [prompt], [plain])):
        served = Stepped(loaded.model, speculation)
        sequence = served.sequence(prompt, stop=wanted, output={"logprobs": 1})
        results += served.finish(sequence)
        assert served.model.last_position(0) < len(prompt) + 16
        served.scheduler.close()
    assert results[0] == results[1]
    assert len(results[0]["token_ids"]) >= 5
    assert (results[0]["finish_reason"] == "stop") == (stop.keys() == {next(iter(stop))})


def test_what_was_guessed_wrong_leaves_the_context(loaded, repeating):
    alone = Stepped(loaded.model)
    [plain] = alone.finish(alone.sequence(repeating))
    served = Stepped(loaded.model, _guesser(loaded, [repeating], [plain]))
    sequence = served.sequence(repeating)
    served.scheduler.add(sequence)
    counts = []
    while not served.scheduler.idle:
        before = sequence.produced
        served.step()
        counts.append(sequence.produced - before)
        if sequence.output and not served.scheduler.idle:
            assert sequence.decoded == len(repeating) + sequence.produced - 1
            assert served.model.last_position(sequence.slot) == sequence.decoded - 1
    # The prompt in two pieces or more, then up to each fourth token, which is guessed wrong.
    assert [count for count in counts if count] == [1, 3, 4, 4, 4]
    assert served.counts.n_draft_accepted == 2 + 3 * 3
    # As many as may be guessed at once, then all that are left but one.
    assert served.counts.n_draft_tokens == LONGEST + LONGEST + 7 + 3
    assert served.result(sequence) == plain


def test_one_draft_of_many_is_cancelled_and_another_stalled(loaded, repeating, tokenize):
    prompts = [repeating, tuple(tokenize("a b c d a b c d a b c d a b c d")), (5, 6, 7, 8)]
    alone = Stepped(loaded.model)
    expected = alone.finish(*(alone.sequence(prompt) for prompt in prompts))
    served = Stepped(loaded.model, _guesser(loaded, prompts, expected))
    gone, slow, other = (served.sequence(prompt) for prompt in prompts)
    for sequence in (gone, slow, other):
        served.scheduler.add(sequence)
    while len(served.chunks[other.stream]) < 2:
        served.step()
    had = slow.produced
    served.step(cancelled=[gone.stream], stalled=[slow.stream])
    assert slow.produced == had
    while not served.scheduler.idle:
        served.step()
    assert [served.result(each) for each in (slow, other)] == expected[1:]
    assert "finish_reason" not in served.chunks[gone.stream][-1]
    assert served.scheduler.load.free_slots == 4


def test_what_others_draft_changes_nothing(model, repeating, tokenize):
    """Without flash attention several tokens are rounded otherwise than one; by the draft alone."""
    prompts = [repeating, tuple(tokenize("a b c d a b c d a b c d")), (5, 6, 7, 8, 9)]
    request = {"output": {"logprobs": 0}}
    alone = Stepped(model)
    known = alone.finish(*(alone.sequence(prompt) for prompt in prompts))
    outputs = {prompt: result["token_ids"] for prompt, result in zip(prompts, known, strict=True)}

    def served(*counts):
        drafts = Speculation([Guesser(outputs, model.vocab_size)], longest=LONGEST)
        stepped = Stepped(model, drafts)
        sequences = [
            stepped.sequence(prompt, stop={"max_tokens": count}, **request)
            for prompt, count in zip(prompts, counts, strict=False)
        ]
        return stepped.finish(*sequences)[0], stepped.counts.n_draft_accepted

    by_itself, accepted = served(16)
    assert accepted > 0
    assert served(16, 9, 12)[0] == by_itself
