"""Requests whose output is held to a form, at the real model."""

import asyncio
import json
import threading

import pytest

from dynamo_backend_common.engines.llama_cpp.binding.model import Model
from dynamo_backend_common.engines.llama_cpp.request import preparation
from dynamo_backend_common.exceptions import EngineShutdown

QUESTION = "What is the capital of France?"
EOS = 2


def _guided(temperature=0.0, **guided):
    return {"temperature": temperature, "guided_decoding": guided}


def _text(model, output):
    return b"".join(map(model.piece, output.tokens)).decode()


async def test_an_output_ends_where_the_grammar_does(client, chat, model):
    output = await client.ask(chat(QUESTION), sampling=_guided(choice=["Rome", "Paris"]))
    assert _text(model, output) in ("Rome", "Paris")
    assert output.reason == "eos"
    assert output.chunks[-1]["completion_usage"]["completion_tokens"] == len(output.tokens)


@pytest.mark.parametrize(
    "stop", [{"min_tokens": 20}, {"ignore_eos": True}, {"ignore_eos": True, "min_tokens": 20}]
)
async def test_no_wish_for_more_goes_beyond_the_grammar(client, chat, model, stop):
    output = await client.ask(chat(QUESTION), sampling=_guided(regex="[a-c]{3}"), stop=stop)
    assert len(_text(model, output)) == 3
    assert output.reason == "stop"


async def test_min_tokens_holds_off_an_end_that_the_grammar_allows(client, chat, model):
    sampling = _guided(regex="(Paris!? ?)+")
    stop = {"min_tokens": 9, "max_tokens": 12}
    output = await client.ask(chat(QUESTION), sampling=sampling, stop=stop)
    assert len(output.tokens) >= 9
    assert EOS not in output.tokens


async def test_max_tokens_cuts_it(client, chat, model):
    output = await client.ask(
        chat(QUESTION), sampling=_guided(regex="a{40}"), stop={"max_tokens": 2}
    )
    assert output.reason == "length"
    assert set(_text(model, output)) == {"a"}


async def test_what_fits_anyway_is_as_without_a_constraint(client, chat, greedy):
    prompt = chat(QUESTION)
    output = await client.ask(prompt, sampling=_guided(regex="(.|\n)*"))
    assert output.tokens == greedy(prompt, 24)


async def test_a_seed_repeats_it_whoever_else_runs(client, chat):
    sampling = _guided(1.0, json={"type": "object"}) | {"seed": 5}
    alone = await client.ask(chat(QUESTION), sampling=sampling)
    both = await asyncio.gather(
        client.ask(chat(QUESTION), sampling=sampling),
        client.ask(chat("Count to nine."), sampling=_guided(1.0, regex="[0-9, ]*")),
    )
    assert both[0].tokens == alone.tokens


async def test_log_probabilities_stay_the_models_own(client, chat):
    prompt = chat(QUESTION)
    free = await client.ask(prompt, stop={"max_tokens": 1}, output={"logprobs": 3})
    held = await client.ask(
        prompt,
        sampling=_guided(choice=["xyz"]),
        extra_args={"sampling_options": {"logit_bias": {"28": 50}}},
        stop={"max_tokens": 1},
        output={"logprobs": 3},
    )
    assert held.chunks[0]["top_logprobs"] == free.chunks[0]["top_logprobs"]
    assert held.chunks[0]["log_probs"][0] < free.chunks[0]["log_probs"][0]


async def test_a_bias_adds_to_logits(client, chat, greedy):
    async def tokens(count, bias, **sampling):
        # A frontend has no field for it.
        extra_args = {"sampling_options": {"logit_bias": bias}}
        stop = {"max_tokens": count}
        return (
            await client.ask(prompt, sampling=sampling, stop=stop, extra_args=extra_args)
        ).tokens

    prompt = chat(QUESTION)
    usual = greedy(prompt, 1)
    assert await tokens(1, {str(usual[0]): -100}, temperature=0.0) != usual
    assert await tokens(3, {"504": 100}, temperature=1.0, seed=1) == [504] * 3


async def test_a_constraint_is_read_once(client, chat, monkeypatch):
    made = []
    make = preparation.constraint_gbnf
    monkeypatch.setattr(
        preparation, "constraint_gbnf", lambda guided: made.append(guided) or make(guided)
    )

    async def ask(regex, count):
        sampling, stop = _guided(regex=regex), {"max_tokens": count}
        return await client.ask(chat(QUESTION), sampling=sampling, stop=stop)

    # Also where several want it before it is there, of whom one hangs up.
    asks = [asyncio.create_task(ask("[ab]{2}", 1)) for _ in range(3)]
    await client.until(lambda: made)
    asks[0].cancel()
    assert (await asks[1]).tokens == (await asks[2]).tokens
    await ask("[ab]{2}", 1)
    await ask("[ab]{3}", 1)
    assert [guided.value for guided in made] == ["[ab]{2}", "[ab]{3}"]
    for count in range(4, 4 + 2 * preparation._KEPT):
        await ask(f"[ab]{{{count}}}", 0)
    assert len(client.engine._preparation._kept) == preparation._KEPT


async def test_a_model_stays_until_what_is_read_with_it_is_read(start, chat, monkeypatch):
    client = await start(max_num_seqs=1, context_length=256)
    begun, go_on = threading.Event(), threading.Event()
    make, model = preparation.constraint_gbnf, client.engine._loaded.model
    thread = client.engine._loop._thread

    def slowly(guided):
        begun.set()
        go_on.wait()
        return make(guided)

    later = []
    monkeypatch.setattr(preparation, "constraint_gbnf", slowly)
    monkeypatch.setattr(Model, "dry", lambda *_, **options: later.append(options))
    sampling = _guided(choice=["a"]) | {"dry_multiplier": 1.0}
    asking = asyncio.create_task(client.ask(chat(QUESTION), sampling=sampling))
    await client.until(begun.is_set)
    sleeping = asyncio.create_task(client.engine.engine_control("sleep", {}))
    try:
        await client.until(lambda: not thread.is_alive())
        # Time in which it would be freed.
        await asyncio.sleep(0.05)
        assert model._model
    finally:
        go_on.set()
    await sleeping
    assert not model._model
    await client.engine.engine_control("wake_up", {})
    with pytest.raises(EngineShutdown):
        await asking
    assert not later


async def test_a_bad_constraint_harms_nobody(client, chat, model):
    good = asyncio.create_task(
        client.ask(chat(QUESTION), sampling=_guided(json={"type": "object"}))
    )
    for guided, message in [
        ({"grammar": "root ::= ("}, "guided_decoding.grammar: the grammar is not valid"),
        ({"grammar": "root ::= <nonsense>"}, "llama.cpp does not take the grammar"),
        ({"json": {"not": {}}}, "guided_decoding.json: the JSON schema has the keyword 'not'"),
        ({"regex": "a", "backend": "xgrammar"}, "guided_decoding.backend is given, which the"),
        ({"json": {}, "regex": "a"}, "guided_decoding has json and regex"),
    ]:
        assert message in await client.refusal(sampling_options=_guided(**guided))
    assert _text(model, await good).startswith("{")
    assert len(client.engine._preparation._kept) == 1
    assert await client.engine.is_quiescent()


async def test_a_grammar_that_cannot_go_on_ends_the_output(client, chat):
    # The model's end is none of a grammar's own tokens.
    output = await client.ask(chat(QUESTION), sampling=_guided(grammar=f"root ::= <[3]> <[{EOS}]>"))
    assert (output.tokens, output.reason) == ([3], "stop")


async def test_no_constraint_outlives_its_model(start, chat):
    engine = (client := await start(max_num_seqs=1, context_length=256)).engine
    prepare = engine._preparation.of

    async def slowly(generation):
        made = await prepare(generation)
        for control in ("sleep", "wake_up"):
            await engine.engine_control(control, {})
        return made

    engine._preparation.of = slowly
    with pytest.raises(EngineShutdown, match="slept meanwhile"):
        await client.ask(chat(QUESTION), sampling=_guided(regex="[a-z]+"))


async def test_json_of_a_schema_is_valid(client, chat, model):
    schema = {"properties": {"a": {"type": "integer"}, "b": {"maxLength": 5, "type": "string"}}}
    schema["required"] = ["a", "b"]
    for seed in range(3):
        sampling = _guided(1.0, json=schema) | {"seed": seed}
        output = await client.ask(chat(QUESTION), sampling=sampling, stop={"max_tokens": 80})
        assert set(json.loads(_text(model, output))) == {"a", "b"}


async def test_a_draft_changes_nothing_of_it(client, start, chat):
    prompt = chat("Repeat: one two three one two three one two three")
    sampling = _guided(regex="(one two three ?){2,}") | {"temperature": 1.0, "seed": 4}
    lists = {"sampling_options": {"bad_words_token_ids": [[1, 2]]}}
    plain = await client.ask(prompt, sampling=sampling, extra_args=lists)
    drafting = await start(spec_type="ngram-simple", spec_ngram_simple_size_n=2)
    drafted = await drafting.ask(prompt, sampling=sampling, extra_args=lists)
    assert drafted.tokens == plain.tokens
    assert drafting.engine._counts.n_draft_accepted > 0
