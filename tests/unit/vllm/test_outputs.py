"""The chunks of one request, of what the engine core or `AsyncLLM.generate` gives."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dynamo_backend_common.engines.vllm.call import Call
from dynamo_backend_common.engines.vllm.outputs import Output
from dynamo_backend_common.engines.vllm.transfer import Handover
from dynamo_backend_common.exceptions import Disconnected, Unknown

# As `EngineCoreOutput` has them where nothing was asked for.
NOTHING = {
    "new_logprobs": None,
    "new_prompt_logprobs_tensors": None,
    "finish_reason": None,
    "stop_reason": None,
    "kv_transfer_params": None,
    "prefill_stats": None,
}


def call(
    prompt_logprobs: int | None = None,
    logprobs: int | None = None,
    guided: Any = None,
    **more: Any,
) -> Call:
    params: Any = SimpleNamespace(
        prompt_logprobs=prompt_logprobs, num_logprobs=logprobs, structured_outputs=guided
    )
    prompt: Any = {"type": "token", "prompt_token_ids": [5, 6, 7]}
    return Call(request_id="r", prompt=prompt, params=params, prompt_tokens=3, **more)


def step(*tokens: int, cached: int | None = None, **more: Any) -> Any:
    stats = None if cached is None else SimpleNamespace(num_cached_tokens=cached)
    return SimpleNamespace(**NOTHING | {"prefill_stats": stats} | more, new_token_ids=[*tokens])


def usage(completion: int, details: dict[str, Any] | None = None) -> dict[str, Any]:
    told = {"prompt_tokens": 3, "completion_tokens": completion, "total_tokens": 3 + completion}
    return told if details is None else told | {"prompt_tokens_details": details}


def test_usage_is_on_the_first_chunk_and_on_the_last() -> None:
    output = Output(call())
    assert output.chunk(step(8, cached=2)) == {
        "token_ids": [8],
        "completion_usage": usage(1, {"cached_tokens": 2}),
    }
    assert output.chunk(step(9, 10)) == {"token_ids": [9, 10]}
    assert output.chunk(step(11, finish_reason="length")) == {
        "token_ids": [11],
        "finish_reason": "length",
        "completion_usage": usage(4, {"cached_tokens": 2}),
    }


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("stop", "stop"), ("length", "length"), ("abort", "cancelled"), ("repetition", "stop")],
)
def test_finish_reasons(theirs: Any, ours: Any) -> None:
    chunk: Any = Output(call()).chunk(step(finish_reason=theirs))
    assert chunk["finish_reason"] == ours
    assert "stop_reason" not in chunk


def test_the_token_that_ended_it() -> None:
    chunk: Any = Output(call()).chunk(step(8, finish_reason="stop", stop_reason=8))
    assert chunk["token_ids"] == [8]
    assert chunk["stop_reason"] == 8


def test_an_error_has_the_request_migrated() -> None:
    output = Output(call())
    output.chunk(step(8))
    error = output.chunk(step(finish_reason="error"))
    assert isinstance(error, Disconnected)
    assert "'r' after 1 tokens" in str(error)


def test_a_grammar_that_fits_no_token_does_not() -> None:
    guided = SimpleNamespace(regex="a")
    assert isinstance(Output(call(guided=guided)).chunk(step(finish_reason="error")), Disconnected)
    error = Output(call(guided=guided)).chunk(step(8, finish_reason="error"))
    assert isinstance(error, Unknown)


def test_a_prefill_hands_over() -> None:
    output = Output(call(handover=Handover(asked={"do_remote_decode": True})))
    chunk = output.chunk(
        step(8, cached=2, finish_reason="length", kv_transfer_params={"remote_port": 1})
    )
    assert chunk == {
        "token_ids": [8],
        "finish_reason": "length",
        "disaggregated_params": {"kv_transfer_params": {"remote_port": 1}},
        "completion_usage": usage(1, {"cached_tokens": 2}),
    }


def test_a_prefill_that_was_aborted_hands_nothing_over() -> None:
    chunk: Any = Output(call(handover=Handover())).chunk(step(finish_reason="abort"))
    assert chunk["finish_reason"] == "cancelled"
    assert "disaggregated_params" not in chunk


@pytest.mark.parametrize("details", [{"cached_tokens": 32}, {}])
def test_of_a_decode_the_details_are_its_prefills(details: Any) -> None:
    chunk: Any = Output(call(prompt_tokens_details=details)).chunk(step(8, cached=3))
    assert chunk["completion_usage"] == usage(1, details or None)


def test_log_probabilities() -> None:
    rows = (np.array([[8, 8, 4]]), np.array([[-1.0, -1.0, -np.inf]]), np.array([1]), None)
    chunk: Any = Output(call(logprobs=2)).chunk(step(8, new_logprobs=rows))
    assert chunk["log_probs"] == [-1.0]
    assert chunk["top_logprobs"] == [
        [
            {"rank": 1, "token_id": 8, "token": None, "logprob": -1.0},
            # JSON has no infinity.
            {"rank": 2, "token_id": 4, "token": None, "logprob": -9999.0},
        ]
    ]


def test_log_probabilities_of_the_prompt_are_on_the_last_chunk() -> None:
    output = Output(call(prompt_logprobs=0))
    rows = (np.array([[6], [7]]), np.array([[-2.0], [-np.inf]]), np.array([4, 9]), None)
    assert "engine_data" not in output.chunk(step(8, new_prompt_logprobs_tensors=rows))  # type: ignore[operator]
    chunk: Any = output.chunk(step(9, finish_reason="length"))
    assert chunk["engine_data"] == {
        "prompt_logprobs": [
            None,
            {"6": {"logprob": -2.0, "rank": 4}},
            {"7": {"logprob": -9999.0, "rank": 9}},
        ]
    }


def test_generate_gives_the_same() -> Any:
    def at(value: float, rank: int) -> Any:
        return SimpleNamespace(logprob=value, rank=rank)

    def generated(tokens: list[int], **more: Any) -> Any:
        one = {"token_ids": tokens, "logprobs": None, "finish_reason": None, "stop_reason": None}
        whole = {"prompt_logprobs": None, "num_cached_tokens": 2, "kv_transfer_params": None}
        one |= {name: value for name, value in more.items() if name in one}
        whole |= {name: value for name, value in more.items() if name in whole}
        return SimpleNamespace(**whole, outputs=[SimpleNamespace(**one)])

    output = Output(call(prompt_logprobs=1, logprobs=1))
    first: Any = output.chunk_of_request_output(
        generated([8], logprobs=[{8: at(-2.0, 3), 4: at(-1.0, 1)}], prompt_logprobs=[None, {}, {}])
    )
    assert first == {
        "token_ids": [8],
        "log_probs": [-2.0],
        "top_logprobs": [
            [
                {"rank": 3, "token_id": 8, "token": None, "logprob": -2.0},
                {"rank": 1, "token_id": 4, "token": None, "logprob": -1.0},
            ]
        ],
        "completion_usage": usage(1, {"cached_tokens": 2}),
    }
    last: Any = output.chunk_of_request_output(
        generated([9], logprobs=[{9: at(-1.0, 1)}], finish_reason="stop", stop_reason=9)
    )
    assert last["finish_reason"] == "stop"
    assert last["stop_reason"] == 9
    assert last["engine_data"] == {"prompt_logprobs": [None, {}, {}]}
