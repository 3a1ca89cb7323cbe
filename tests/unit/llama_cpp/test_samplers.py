"""Samplers of llama.cpp's own, by the names of its server."""

import asyncio
import threading

import llama_cpp
import pytest

from dynamo_backend_common.engines.llama_cpp.binding.model import Model
from dynamo_backend_common.engines.llama_cpp.request.samplers import NAMES

QUESTION = "Tell me a story about a fox."


async def _tokens(client, prompt, count=16, *, stop=None, **given):
    # Those that Dynamo has no field for are passed on.
    passed_on = {name: given.pop(name) for name in NAMES & set(given)}
    stop = {"max_tokens": count} | (stop or {})
    extra_args = {"sampling_options": passed_on}
    return (await client.ask(prompt, sampling=given, stop=stop, extra_args=extra_args)).tokens


@pytest.mark.parametrize(
    "sampler",
    [
        {"typical_p": 0.01},
        {"top_n_sigma": 0.001},
        {"mirostat": 1, "mirostat_tau": 0.01},
        {"mirostat": 2, "mirostat_tau": 0.0001},
    ],
)
async def test_one_candidate_is_left_or_few(client, chat, sampler):
    prompt = chat(QUESTION)
    found = [await _tokens(client, prompt, 6, temperature=1.0, seed=s, **sampler) for s in (1, 2)]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "sampler", [{"typical_p": 0.9}, {"xtc_probability": 1, "xtc_threshold": 0}]
)
async def test_it_is_right_beside_tokens_that_are_forbidden(client, chat, sampler):
    given = {"temperature": 1.0, "seed": 1} | sampler
    assert len(await _tokens(client, chat(QUESTION), 3, stop={"min_tokens": 3}, **given)) == 3


async def test_xtc_drops_the_likeliest(client, chat, greedy):
    prompt = chat(QUESTION)
    [usual] = greedy(prompt, 1)
    cut = {"temperature": 1.0, "min_p": 0.02, "xtc_probability": 1.0, "xtc_threshold": 0.02}
    found = {(await _tokens(client, prompt, 1, seed=seed, **cut))[0] for seed in range(6)}
    assert usual not in found


async def test_dry_breaks_repetitions_of_prompt_and_output(client, tokenize, greedy):
    prompt = tokenize("one two three four. one two three four. one two three four. one two three")
    usual = greedy(prompt, 12)
    found = await _tokens(client, prompt, 12, temperature=0, dry_multiplier=5.0)
    assert found != usual
    broken = {"dry_multiplier": 5.0, "dry_sequence_breakers": [" "], "dry_allowed_length": 3}
    assert await _tokens(client, prompt, 1, temperature=0, **broken) == usual[:1]
    assert await _tokens(client, prompt, 4, temperature=0, dry_multiplier=0) == usual[:4]


async def test_dry_looks_back_as_far_as_llama_cpps_server(client, tokenize, greedy):
    between = " A fox lived in the woods behind our old house, and nobody had seen it yet." * 4
    prompt = tokenize(f"one two three four five six seven{between} one two three four five six")
    assert len(tokenize(between)) > 64
    usual = greedy(prompt, 1)
    dry = {"temperature": 0, "dry_multiplier": 50.0, "dry_sequence_breakers": ["\n"]}
    assert await _tokens(client, prompt, 1, **dry) == usual
    assert await _tokens(client, prompt, 1, dry_penalty_last_n=-1, **dry) != usual


async def test_nobody_waits_until_the_breakers_are_looked_up(client, chat, monkeypatch):
    begun, go_on, make = threading.Event(), threading.Event(), Model.dry

    def slowly(self, **options):
        begun.set()
        go_on.wait()
        return make(self, **options)

    monkeypatch.setattr(Model, "dry", slowly)
    story = client.stream(chat(QUESTION), stop={"max_tokens": 100, "ignore_eos": True})
    asking = asyncio.create_task(_tokens(client, chat(QUESTION), 2, dry_multiplier=1.0))
    await client.until(begun.is_set)
    try:
        for _ in range(3):
            await anext(story)
    finally:
        go_on.set()
    assert len(await asking) == 2
    await story.aclose()


async def test_nobody_waits_until_a_prompt_is_counted(client, tokenize, monkeypatch):
    accept, threads = llama_cpp.llama_cpp.llama_sampler_accept, []

    def noted(sampler, token):
        threads.append(threading.current_thread().name)
        accept(sampler, token)

    monkeypatch.setattr(llama_cpp.llama_cpp, "llama_sampler_accept", noted)
    # DRY counts all of them, or the last ones; the penalty counts none twice.
    prompt = tokenize("one" + " one" * 99)
    for given, count in (
        ({"dry_multiplier": 1.0, "dry_penalty_last_n": -1}, 100),
        ({"dry_multiplier": 1.0, "dry_penalty_last_n": 8}, 8),
        ({"repetition_penalty": 1.1}, 2),
    ):
        threads.clear()
        await _tokens(client, prompt, 1, temperature=0, **given)
        assert len(threads) == count
        assert "llama-cpp-steps" not in threads


async def test_dynamic_temperature_is_colder_where_the_model_is_sure(client, chat, greedy):
    prompt = chat("What is the capital of France?")
    cold = {"temperature": 1.0, "dynatemp_range": 1.0, "dynatemp_exponent": 10.0}
    assert await _tokens(client, prompt, 5, seed=1, **cold) == greedy(prompt, 5)


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"typical_p": 1.5}, "typical_p is 1.5; it must be a number, 0 to 1"),
        ({"mirostat": 3}, "mirostat is 3; it must be an integer, 0 to 2"),
        ({"mirostat": True}, "mirostat is True"),
        ({"xtc_threshold": "x"}, "xtc_threshold is 'x'"),
        ({"dry_multiplier": float("nan")}, "dry_multiplier is nan"),
        ({"dry_base": 0.5}, "dry_base is 0.5; it must be a number, 1 to 1e+06"),
        ({"dry_allowed_length": 1.5}, "dry_allowed_length is 1.5; it must be an integer"),
        ({"dry_sequence_breakers": "\n"}, "dry_sequence_breakers is '\\n'; it must be a list"),
        ({"dry_sequence_breakers": [""]}, "each of 1 to 256 characters"),
        ({"logit_bias": {"-1": 1}}, "logit_bias has '-1', which is no token"),
        ({"logit_bias": {"49152": 1}}, "tokens are 0 to 49151"),
        ({"logit_bias": {"5": 101}}, "logit_bias of 5 is 101; it must be -100 to 100"),
        ({"logit_bias": [5]}, "logit_bias is [5]; it must be an object"),
    ],
)
async def test_wrong_values_are_named(client, sampling, message):
    assert message in await client.refusal(extra_args={"sampling_options": sampling})
