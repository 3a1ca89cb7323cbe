"""Each sampling option does what it says."""

import pytest

from dynamo_backend_common.engines.llama_cpp.request.unsupported import refuse_unsupported
from dynamo_backend_common.exceptions import InvalidArgument

QUESTION = "Tell me a story about a fox."


async def _tokens(client, prompt, **sampling):
    return (await client.ask(prompt, sampling=sampling, stop={"max_tokens": 16})).tokens


async def test_a_seed_repeats_the_output(client, chat):
    prompt = chat(QUESTION)
    first = await _tokens(client, prompt, seed=7, temperature=1.0)
    assert first == await _tokens(client, prompt, seed=7, temperature=1.0)
    assert first != await _tokens(client, prompt, seed=8, temperature=1.0)


@pytest.mark.parametrize("seed", [-1, 0, 2**32 - 1, 2**63 - 1])
async def test_every_seed_repeats(client, chat, seed):
    prompt = chat(QUESTION)
    first = await _tokens(client, prompt, seed=seed, temperature=1.5)
    assert first == await _tokens(client, prompt, seed=seed, temperature=1.5)


async def test_without_a_seed_the_output_differs(client, chat):
    prompt = chat(QUESTION)
    assert await _tokens(client, prompt, temperature=1.5) != await _tokens(
        client, prompt, temperature=1.5
    )


async def test_without_a_temperature_it_is_one(client, chat):
    prompt = chat(QUESTION)
    assert await _tokens(client, prompt, seed=3) == await _tokens(
        client, prompt, seed=3, temperature=1.0
    )
    assert await _tokens(client, prompt, seed=3) != await _tokens(client, prompt, temperature=0)


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 0.0001}, {"min_p": 1.0}])
async def test_one_candidate_is_greedy(client, chat, greedy, narrow):
    prompt = chat(QUESTION)
    assert await _tokens(client, prompt, temperature=1.0, **narrow) == greedy(prompt, 16)


@pytest.mark.parametrize("temperature", [5e-324, 1e-40, 1e-37, 1e-6])
async def test_the_coldest_is_greedy(client, chat, greedy, temperature):
    prompt = chat(QUESTION)
    assert (await _tokens(client, prompt, temperature=temperature))[:4] == greedy(prompt, 4)


@pytest.mark.parametrize(
    "penalty",
    [{"repetition_penalty": 1.8}, {"presence_penalty": 2.0}, {"frequency_penalty": 2.0}],
)
async def test_penalties_change_the_output(client, tokenize, greedy, penalty):
    prompt = tokenize("one two one two one two one two one two one two")
    found = await _tokens(client, prompt, temperature=0.0, **penalty)
    expected = greedy(prompt, 16)
    assert found != expected
    assert len(set(found)) > len(set(expected))


async def test_only_the_repetition_penalty_counts_the_prompt(client, tokenize, greedy):
    prompt = tokenize("one two one two one two one two one two one two")
    first = greedy(prompt, 1)
    assert (await _tokens(client, prompt, temperature=0.0, presence_penalty=2.0))[:1] == first
    assert (await _tokens(client, prompt, temperature=0.0, repetition_penalty=1.8))[:1] != first


async def test_all_candidates_by_minus_one(client, chat):
    prompt = chat(QUESTION)
    assert await _tokens(client, prompt, seed=5, top_k=-1) == await _tokens(client, prompt, seed=5)


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"temperature": -0.1}, "temperature is -0.1; it must be 0 or more"),
        ({"temperature": float("nan")}, "temperature is nan; it must be a finite number"),
        ({"temperature": "hot"}, "temperature is 'hot'; it must be a finite number"),
        ({"top_p": 1.5}, "top_p is 1.5; it must be 0 to 1"),
        ({"min_p": -1}, "min_p is -1; it must be 0 to 1"),
        ({"top_k": -2}, "top_k is -2; it must be an integer of -1 or more"),
        ({"repetition_penalty": 0}, "repetition_penalty is 0; it must be above 0"),
        ({"seed": 1.5}, "seed is 1.5; it must be an integer"),
        ({"temperature": 1e39}, "temperature is 1e+39; llama.cpp takes 0 to 1e+06"),
        ({"repetition_penalty": 1e-50}, "repetition_penalty is 1e-50; llama.cpp takes 1e-06 to"),
        ({"frequency_penalty": -1e300}, "frequency_penalty is -1e+300; llama.cpp takes -1e+06 to"),
    ],
)
async def test_wrong_values_are_named(client, sampling, message):
    assert message in await client.refusal(sampling_options=sampling)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"sampling_options": {"n": 2}}, "n is 2"),
        ({"sampling_options": {"best_of": 3}}, "best_of is 3"),
        ({"sampling_options": {"use_beam_search": True}}, "use_beam_search is True"),
        ({"sampling_options": {"length_penalty": 2.0}}, "length_penalty is 2.0"),
        ({"sampling_options": {"warmth": 3}}, "warmth is 3"),
        ({"extra_args": {"vllm_tito": {"sampling_params": {}}}}, "vllm_tito is given"),
        ({"stop_conditions": {"max_thinking_tokens": 9}}, "max_thinking_tokens is 9"),
        ({"output_options": {"prompt_logprobs": 0}}, "prompt_logprobs, or echo, is 0"),
        ({"extra_args": {"sampling_options": {"logprob_token_ids": [1]}}}, "logprob_token_ids"),
        ({"extra_args": {"sampling_options": {"detokenize": False}}}, "detokenize is False"),
        ({"multi_modal_data": {"image_url": [{"Url": "http://i"}]}}, "multi_modal_data is given"),
        ({"prompt_embeds": "AAAA"}, "prompt_embeds is given"),
    ],
)
def test_what_the_engine_does_not_have_is_refused_by_name(asked, message):
    with pytest.raises(InvalidArgument) as caught:
        refuse_unsupported(asked)
    assert str(caught.value).startswith(message)
    assert "the llama-cpp engine does not have" in str(caught.value)


def test_what_asks_for_nothing_is_not_refused():
    nothing = {"n": 1, "best_of": None, "use_beam_search": False, "guided_decoding": None}
    refuse_unsupported(
        {
            "sampling_options": nothing,
            "stop_conditions": {"max_thinking_tokens": None},
            "output_options": {"formatted_prompt": False},
            "extra_args": {"nvext": {}, "sampling_options": {"detokenize": True}},
            "multi_modal_data": None,
        }
    )


async def test_a_request_of_that_kind_is_refused(client, chat):
    with pytest.raises(InvalidArgument, match="n is 2"):
        await client.ask(chat(QUESTION), sampling={"n": 2})


async def test_log_probabilities(client, chat, greedy):
    prompt = chat("What is the capital of France?")
    output = await client.ask(prompt, stop={"max_tokens": 4}, output={"logprobs": 3})
    total = 0.0
    for chunk in output.chunks:
        (top,) = chunk["top_logprobs"]
        (chosen,) = chunk["log_probs"]
        total += chosen
        assert [entry["rank"] for entry in top] == [1, 2, 3]
        assert [entry["logprob"] for entry in top] == sorted(
            (entry["logprob"] for entry in top), reverse=True
        )
        assert top[0]["token_id"] == chunk["token_ids"][0]
        assert top[0]["logprob"] == pytest.approx(chosen)
        assert chosen <= 0
        assert chunk["cum_log_probs"] == pytest.approx(total)
    assert output.tokens == greedy(prompt, 4)
    assert "".join(chunk["top_logprobs"][0][0]["token"] for chunk in output.chunks).startswith(
        "The capital of"
    )


async def test_log_probability_of_the_chosen_token_alone(client, chat):
    output = await client.ask(chat(QUESTION), stop={"max_tokens": 2}, output={"logprobs": 0})
    assert [chunk["top_logprobs"] for chunk in output.chunks] == [[[]], [[]]]
    assert all(len(chunk["log_probs"]) == 1 for chunk in output.chunks)
