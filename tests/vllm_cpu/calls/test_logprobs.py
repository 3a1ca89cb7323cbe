"""Log probabilities are those that vLLM's own output processor makes of the same outputs."""

from typing import Any

import numpy as np
import pytest
import torch
from vllm.v1.engine import EngineCoreOutput, EngineCoreRequest, FinishReason
from vllm.v1.engine.logprobs import LogprobsProcessor
from vllm.v1.outputs import LogprobsLists, LogprobsTensors

from dynamo_backend_common.engines.vllm.outputs import Output

VOCABULARY = 32
TOKENS = 50


@pytest.fixture
def theirs(read: Any) -> Any:
    """What vLLM makes of outputs, and what is ours."""

    def make(**options: Any) -> Any:
        call = read(**options)
        request = EngineCoreRequest(
            request_id="request",
            prompt_token_ids=[5, 6, 7],
            mm_features=None,
            sampling_params=call.params,
            pooling_params=None,
            arrival_time=0.0,
            lora_request=None,
            cache_salt=None,
            data_parallel_rank=None,
        )
        return LogprobsProcessor.from_new_request(None, request), Output(call)

    return make


def rows(count: Any, width: Any, seed: Any = 0) -> Any:
    """Chosen tokens, with the ``width`` likeliest ones: as few values as to have equal ones."""
    random = np.random.default_rng(seed)
    values = np.round(random.normal(size=(count, VOCABULARY)), 1).astype(np.float32)
    values -= np.log(np.exp(values).sum(axis=1, keepdims=True))
    chosen = random.integers(VOCABULARY, size=count)
    likeliest = np.argsort(-values, axis=1)[:, :width]
    ids = np.concatenate([chosen[:, None], likeliest], axis=1).astype(np.int32)
    told = np.take_along_axis(values, ids, axis=1)
    return ids, told, (values >= told[:, :1]).sum(axis=1)


def told_by_vllm(position: Any) -> Any:
    return {token: (at.logprob, at.rank) for token, at in position.items()}


def told_by_us(position: Any) -> Any:
    return {at["token_id"]: (at["logprob"], at["rank"]) for at in position}


# A row is as wide as the widest of its batch.
@pytest.mark.parametrize(("asked", "width"), [(0, 0), (0, 5), (1, 1), (5, 5), (3, 8), (None, 0)])
def test_of_the_output(theirs: Any, asked: Any, width: Any) -> None:
    vllms, ours = theirs(output_options={"logprobs": asked})
    ids, values, ranks = rows(TOKENS, width)
    made = []
    # One token a step, and then several.
    for begin, end in [(at, at + 1) for at in range(TOKENS - 10)] + [(TOKENS - 10, TOKENS)]:
        lists = LogprobsLists(ids[begin:end], values[begin:end], ranks[begin:end])
        output = EngineCoreOutput(
            request_id="request",
            new_token_ids=ids[begin:end, 0].tolist(),
            new_logprobs=None if asked is None else lists,
        )
        vllms.update_from_output(output)
        made.append(ours.chunk(output))
    if asked is None:
        assert not any("log_probs" in chunk or "top_logprobs" in chunk for chunk in made)
        return
    positions = [position for chunk in made for position in chunk["top_logprobs"]]
    assert [told_by_us(one) for one in positions] == [told_by_vllm(one) for one in vllms.logprobs]
    assert [value for chunk in made for value in chunk["log_probs"]] == values[:, 0].tolist()
    assert [one[0]["token_id"] for one in positions] == ids[:, 0].tolist()


@pytest.mark.parametrize("asked", [0, 1, 4])
def test_of_the_prompt(theirs: Any, asked: Any) -> None:
    vllms, ours = theirs(output_options={"prompt_logprobs": asked})
    tensors = LogprobsTensors(*(torch.from_numpy(part) for part in rows(2, asked)))
    output = EngineCoreOutput(
        request_id="request",
        new_token_ids=[5],
        new_prompt_logprobs_tensors=tensors,
        finish_reason=FinishReason.LENGTH,
    )
    vllms.update_from_output(output)
    first, *told = ours.chunk(output)["engine_data"]["prompt_logprobs"]
    assert first is None
    read = [
        {int(token): (at["logprob"], at["rank"]) for token, at in position.items()}
        for position in told
    ]
    assert read == [told_by_vllm(position) for position in vllms.prompt_logprobs[1:]]


def test_as_generate_tells_them(theirs: Any) -> None:
    """The same from vLLM's own output processor, for the path that goes through it."""
    vllms, ours = theirs(output_options={"logprobs": 3})
    ids, values, ranks = rows(1, 3)
    output = EngineCoreOutput(
        request_id="request",
        new_token_ids=ids[:, 0].tolist(),
        new_logprobs=LogprobsLists(ids, values, ranks),
    )
    vllms.update_from_output(output)
    from vllm.outputs import CompletionOutput, RequestOutput

    one = CompletionOutput(
        index=0,
        text="",
        token_ids=ids[:, 0].tolist(),
        cumulative_logprob=None,
        logprobs=vllms.logprobs,
    )
    whole = RequestOutput(
        request_id="request",
        prompt=None,
        prompt_token_ids=[5, 6, 7],
        prompt_logprobs=None,
        outputs=[one],
        finished=False,
    )
    by_generate = ours.chunk_of_request_output(whole)
    _, again = theirs(output_options={"logprobs": 3})
    by_step = again.chunk(output)
    for key in ("token_ids", "log_probs", "top_logprobs"):
        assert by_generate[key] == by_step[key]
