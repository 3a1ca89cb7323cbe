"""Drafts change how many tokens a step has, and nothing else.

With flash attention, and one thread, llama.cpp rounds several tokens of a sequence as it does one:
the tests see output that is equal to the last bit.
"""

import itertools

import pytest

from dynamo_backend_common.engines.llama_cpp import Options
from dynamo_backend_common.engines.llama_cpp.cache.kv_reports import KvReports
from dynamo_backend_common.engines.llama_cpp.cache.prefix_cache import PrefixCache
from dynamo_backend_common.engines.llama_cpp.loaded import load
from dynamo_backend_common.engines.llama_cpp.request.generation import read_request
from dynamo_backend_common.engines.llama_cpp.steps.draft_model import ModelDrafter
from dynamo_backend_common.engines.llama_cpp.steps.ngrams import NGramDrafter
from dynamo_backend_common.engines.llama_cpp.steps.scheduler import Scheduler
from dynamo_backend_common.engines.llama_cpp.steps.sequence import Sequence
from dynamo_backend_common.engines.llama_cpp.steps.speculation import Speculation

STREAMS = itertools.count(1)
PIECE = 32


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
        return [self._guess(sequence, most) for sequence, most in wanted]

    def _guess(self, sequence, most):
        coming = self.outputs[sequence.generation.prompt][sequence.produced :][:most]
        return [
            (token + 1) % self.vocab_size if place % 4 == 3 else token
            for place, token in enumerate(coming, start=sequence.produced)
        ]


class Served:
    """Requests served by a scheduler of their own, step by step."""

    def __init__(self, loaded, drafters):
        self.model = loaded.model
        cache = PrefixCache(4, block_size=16, listener=KvReports())
        self.scheduler = Scheduler(self.model, PIECE, cache, Speculation(drafters, longest=20))
        self.chunks = {}
        self.steps = 0

    def sequence(self, prompt, *, stop=None, sampling=None, output=None, **more):
        request = {
            "token_ids": list(prompt),
            "stop_conditions": {"max_tokens": 16, "ignore_eos": True} | (stop or {}),
            "sampling_options": {"temperature": 0} | (sampling or {}),
            "output_options": output or {},
            **more,
        }
        generation = read_request(
            request,
            context_length=self.model.context_length,
            vocab_size=self.model.vocab_size,
            end_tokens=self.model.end_tokens,
            defaults={},
        )
        sequence = Sequence(generation, next(STREAMS))
        self.chunks[sequence.stream] = []
        return sequence

    def step(self, **report):
        self.steps += 1
        for stream, made, *end in self.scheduler.step(**report):
            chunk = made if isinstance(made, dict) else {"token_ids": made}
            chunk |= dict(zip(("finish_reason", "completion_usage"), end, strict=False))
            self.chunks[stream].append(chunk)

    def finish(self, *sequences):
        for sequence in sequences:
            self.scheduler.add(sequence)
        while not self.scheduler.idle:
            self.step()
        return [self.result(sequence) for sequence in sequences]

    def result(self, sequence):
        """What all chunks of a request have together."""
        chunks = self.chunks[sequence.stream]
        joined = {
            name: [each for chunk in chunks for each in chunk.get(name, ())]
            for name in ("token_ids", "log_probs", "top_logprobs")
        }
        last = ("finish_reason", "completion_usage", "stop_reason", "cum_log_probs")
        return joined | {name: chunks[-1].get(name) for name in last}


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
    "one token": {"stop": {"max_tokens": 1}},
    "two tokens": {"stop": {"max_tokens": 2}},
}


@pytest.fixture(scope="module")
def repeating(tokenize):
    return tuple(tokenize("one two three four " * 6))


@pytest.fixture(scope="module")
def without(loaded, repeating):
    """What each request answers without drafts."""
    served = Served(loaded, [])
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
    served = Served(loaded, drafters)
    sequences = [served.sequence(repeating, **request) for request in REQUESTS.values()]
    assert dict(zip(REQUESTS, served.finish(*sequences), strict=True)) == results
    speculation = served.scheduler.speculation
    assert 0 < speculation.accepted <= speculation.drafted
    assert served.steps < steps
    served.scheduler.close()
