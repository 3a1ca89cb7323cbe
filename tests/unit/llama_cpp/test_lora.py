"""LoRA adapters with the real model: whose output is whose, and what is refused."""

import asyncio

import llama_cpp
import pytest

from dynamo_backend_common.engines.llama_cpp import LlamaCpp
from dynamo_backend_common.engines.llama_cpp.adapters.registry import Adapters
from dynamo_backend_common.engines.llama_cpp.binding.adapter import Adapter
from dynamo_backend_common.engines.llama_cpp.cache.kv_reports import KvReports
from dynamo_backend_common.engines.llama_cpp.cache.prefix_cache import PrefixCache
from dynamo_backend_common.engines.llama_cpp.request.generation import read_request
from dynamo_backend_common.engines.llama_cpp.steps.scheduler import Scheduler
from dynamo_backend_common.engines.llama_cpp.steps.sequence import Sequence
from dynamo_backend_common.engines.llama_cpp.steps.turns import STEPS_OF_A_TURN, Turns
from dynamo_backend_common.exceptions import EngineShutdown, InvalidArgument
from dynamo_backend_common.testing import request
from support.kv_index import KvIndex
from support.lora_files import write_lora

ENDLESS = {"max_tokens": 400, "ignore_eos": True}
STORY = (
    "Once upon a time there was a lighthouse keeper who counted the ships. In spring he saw ten of "
    "them, in summer more than anybody could"
)
COUNT = 6


@pytest.fixture(scope="module")
def files(tmp_path_factory, model_file):
    """Two adapters."""
    folder = tmp_path_factory.mktemp("adapters")
    values = model_file.metadata.values
    return {
        name: write_lora(folder / f"{name}-f32.gguf", values, seed)
        for seed, name in enumerate(("poet", "clerk"))
    }


@pytest.fixture(scope="module")
def prompt(tokenize):
    return tokenize(STORY)


@pytest.fixture(scope="module")
def expected(files, model_file, prompt):
    """What llama-cpp-python's own class says, by the adapter and its scale."""

    def output(path, scale):
        llama = llama_cpp.Llama(
            str(model_file.path),
            n_ctx=512,
            n_threads=1,
            n_threads_batch=1,
            verbose=False,
            lora_path=path and str(path),
            lora_scale=scale,
        )
        tokens = llama.generate(prompt, temp=0.0, repeat_penalty=1.0)
        found = [next(tokens) for _ in range(COUNT)]
        llama.close()
        return found

    outputs = {
        None: output(None, 1.0),
        "poet": output(files["poet"], 1.0),
        "clerk": output(files["clerk"], 1.5),
    }
    assert len(set(map(tuple, outputs.values()))) == 3, "an adapter makes no difference"
    return outputs


@pytest.fixture
async def client(start, files):
    """An engine that has both from the start."""
    client = await start(
        max_num_seqs=4,
        lora=[str(files["poet"])],
        lora_scaled=[f"{files['clerk']}:1.5"],
    )
    client.index = KvIndex(16)
    for source in await client.engine.kv_event_sources():
        source.on_ready(client.index)
    return client


class Cards(list):
    """The names that frontends have cards of."""

    async def publish(self, name):
        if name == "taken":
            raise InvalidArgument("adapter 'taken': it needs another name")
        self.append(name)

    async def withdraw(self, name):
        self.remove(name)


async def _ask(client, prompt, adapter, count=COUNT):
    stop = {"max_tokens": count, "ignore_eos": True}
    return await client.ask(prompt, stop=stop, routing={"lora_name": adapter})


def _cached(output):
    return output.chunks[-1]["completion_usage"]["prompt_tokens_details"]["cached_tokens"]


async def test_each_has_its_own_output_whoever_else_runs(client, prompt, expected):
    for adapter in ("poet", None, "clerk", "poet"):
        assert (await _ask(client, prompt, adapter)).tokens == expected[adapter]
    adapters = [None, "poet", "clerk", "poet"]
    outputs = await asyncio.gather(*(_ask(client, prompt, adapter) for adapter in adapters))
    assert [output.tokens for output in outputs] == [expected[adapter] for adapter in adapters]


async def test_a_sleep_loses_none(start, files, prompt, expected):
    client = await start(max_num_seqs=1, lora=[str(files["poet"])])
    update = {"lora_name": "clerk", "lora_path": str(files["clerk"]), "scale": 1.5}
    await client.engine.engine_update("load_lora", update)
    await client.engine.engine_control("sleep", {})
    assert (await client.engine.engine_update("list_loras", {}))["count"] == 2
    await client.engine.engine_control("wake_up", {})
    for adapter in ("clerk", None, "poet"):
        assert (await _ask(client, prompt, adapter)).tokens == expected[adapter]


async def test_nobody_goes_on_from_what_another_adapter_read(client, prompt):
    for adapter in ("poet", None, "clerk"):
        assert _cached(await _ask(client, prompt, adapter, 1)) == 0
    kept = len(prompt) - 2
    for adapter in ("poet", None, "clerk"):
        assert _cached(await _ask(client, prompt, adapter, 1)) == kept
        assert client.index.prefixes_with(adapter) == client.index.prefixes_of([prompt])


async def test_what_left_a_slot_is_that_adapter_s_own(start, files, prompt, expected):
    client = await start(max_num_seqs=1, lora=[f"poet={files['poet']}"])
    found = []
    for adapter in (None, "poet", None, "poet"):
        output = await _ask(client, prompt, adapter)
        assert output.tokens == expected[adapter]
        found.append(_cached(output) > 0)
    assert found == [False, False, True, True]


async def test_it_is_loaded_and_unloaded_while_others_run(start, files, prompt, expected):
    client = await start(max_num_seqs=4, max_loras=1)
    engine, cards = client.engine, Cards()
    await engine.on_adapter_cards(cards)
    client.index = KvIndex(16)
    for source in await engine.kv_event_sources():
        source.on_ready(client.index)
    assert set(await engine.supported_updates()) == {"load_lora", "unload_lora", "list_loras"}
    other = client.stream(prompt, stop=ENDLESS)
    await anext(other)

    body = {"lora_name": "x", "lora_path": str(files["clerk"]), "scale": 1.5}
    for _ in range(2):
        reply = await engine.engine_update("load_lora", body)
        assert reply == {"status": "ok", "lora_name": "x", "lora_id": 1}
    assert cards == ["x"]
    assert (await _ask(client, prompt, "x")).tokens == expected["clerk"]
    assert await engine.engine_update("list_loras", {}) == {
        "status": "ok",
        "loras": {"x": 1},
        "count": 1,
    }
    for body, message in (
        ({"lora_name": "x", "lora_path": str(files["poet"])}, "unload it first"),
        ({"lora_name": "y", "lora_path": str(files["poet"])}, "as max_loras allows"),
    ):
        reply = await engine.engine_update("load_lora", body)
        assert reply["status"] == "error"
        assert message in reply["message"]

    # Whoever has it keeps it until its end; nobody else gets it from the card's end on.
    last = client.stream(prompt, stop=ENDLESS | {"max_tokens": 40}, routing={"lora_name": "x"})
    await anext(last)
    unloading = asyncio.create_task(engine.engine_update("unload_lora", {"lora_name": "x"}))
    await client.until(lambda: not engine._adapters.by_name)
    assert cards == []
    with pytest.raises(InvalidArgument, match="no LoRA adapter 'x' is loaded here; loaded: none"):
        await _ask(client, prompt, "x")
    assert not unloading.done()
    tokens = [token async for chunk in last for token in chunk["token_ids"]]
    assert len(tokens) == 39
    assert tokens[: COUNT - 1] == expected["clerk"][1:]
    assert await unloading == {"status": "ok", "lora_name": "x", "lora_id": 1}
    assert client.index.prefixes_with("x") == set()

    # The same name is now another one's.
    body = {"lora_name": "x", "source": {"uri": files["poet"].as_uri()}}
    assert (await engine.engine_update("load_lora", body))["lora_id"] == 2
    again = await _ask(client, prompt, "x")
    assert (_cached(again), again.tokens) == (0, expected["poet"])
    assert (await engine.engine_update("unload_lora", {"lora_name": "y"}))["status"] == "error"
    await anext(other)
    await other.aclose()


async def test_adapters_outlive_a_sleep(client, files, prompt, expected):
    engine = client.engine
    await _ask(client, prompt, "poet")
    await engine.engine_control("sleep", {})
    body = {"lora_name": "x", "lora_path": str(files["poet"])}
    reply = await engine.engine_update("load_lora", body)
    assert reply == {
        "status": "error",
        "message": "the engine sleeps: an adapter is loaded once it is awake",
    }
    assert (await engine.engine_update("unload_lora", {"lora_name": "poet"}))["status"] == "ok"
    await engine.engine_control("wake_up", {})
    assert (await _ask(client, prompt, "clerk")).tokens == expected["clerk"]
    with pytest.raises(InvalidArgument, match="loaded: clerk"):
        await _ask(client, prompt, "poet")
    assert (await engine.engine_update("load_lora", body))["status"] == "ok"
    assert (await _ask(client, prompt, "x")).tokens == expected["poet"]


async def test_a_request_is_not_begun_with_what_was_unloaded_meanwhile(client, prompt):
    engine = client.engine
    make, unload = engine._preparation.of, {"lora_name": "poet"}

    async def slowly(generation):
        assert (await engine.engine_update("unload_lora", unload))["status"] == "ok"
        return await make(generation)

    engine._preparation.of = slowly
    with pytest.raises(InvalidArgument, match="adapter 'poet' was unloaded meanwhile"):
        await client.ask(
            prompt,
            sampling={"temperature": 0.0, "guided_decoding": {"regex": "[a-z]+"}},
            routing={"lora_name": "poet"},
        )


async def test_what_has_no_card_is_not_kept(start, files):
    engine = (await start()).engine
    await engine.on_adapter_cards(Cards())
    body = {"lora_name": "taken", "lora_path": str(files["poet"])}
    with pytest.raises(InvalidArgument, match="needs another name"):
        await engine.engine_update("load_lora", body)
    assert (await engine.engine_update("list_loras", {}))["count"] == 0


async def test_a_cleanup_ends_the_wait_for_the_last_request(client, prompt):
    engine = client.engine
    last = client.stream(prompt, stop=ENDLESS, routing={"lora_name": "poet"})
    await anext(last)
    unloading = asyncio.create_task(engine.engine_update("unload_lora", {"lora_name": "poet"}))
    await client.until(lambda: "poet" not in engine._adapters.by_name)
    await engine.cleanup()
    with pytest.raises(EngineShutdown):
        await unloading
    with pytest.raises(EngineShutdown):
        await engine.engine_update("list_loras", {})


WRONG = [
    ({"general__architecture": "qwen3"}, "for the architecture 'qwen3', the model's is 'llama'"),
    ({"general__type": "model"}, "it is no LoRA adapter: general.type is 'model'"),
    ({"adapter__type": None}, "and adapter.type None"),
    ({"adapter__alora__invocation_tokens": [5, 6]}, "it is an activated LoRA"),
    ({"llama__embedding_length": 64}, "llama.cpp cannot load the LoRA adapter .*wrong base model"),
]


async def test_a_wrong_file_is_named_and_nothing_else_ends(
    start, model_file, tmp_path, prompt, expected
):
    client = await start()
    path = tmp_path / "wrong.gguf"
    for values, message in WRONG:
        shape = {key.replace("__", "."): value for key, value in values.items() if "llama" in key}
        write_lora(path, {**model_file.metadata.values, **shape}, 0, **values)
        body = {"lora_name": "wrong", "lora_path": str(path)}
        with pytest.raises(InvalidArgument, match=message) as caught:
            await client.engine.engine_update("load_lora", body)
        assert str(path) in str(caught.value)
    with pytest.raises(InvalidArgument, match="no LoRA adapter 'wrong' is loaded here"):
        await _ask(client, prompt, "wrong")
    assert (await _ask(client, prompt, None)).tokens == expected[None]
    with pytest.raises(InvalidArgument, match=r"llama\.cpp cannot load the LoRA adapter"):
        await start(lora=[str(path)])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"lora_path": "a.gguf"}, "lora_name is missing"),
        ({"lora_name": " ", "lora_path": "a.gguf"}, "lora_name is ' '"),
        ({"lora_name": "a"}, "give lora_path, or source with a uri"),
        ({"lora_name": "a", "lora_path": "/nowhere.gguf"}, "'/nowhere.gguf' does not exist"),
        ({"lora_name": "a", "lora_path": "/"}, "is a folder; give a .gguf file"),
        ({"lora_name": "a", "source": {"uri": "hf://o/r"}}, "source.uri is 'hf://o/r'"),
        ({"lora_name": "a", "lora_path": "a.gguf", "scale": "big"}, "scale of a LoRA .* is 'big'"),
        ({"lora_name": "a", "lora_path": "a.gguf", "rank": 8}, "unknown key 'rank'"),
        ({"lora_name": "a", "lora_path": __file__}, "is no GGUF file.*convert_lora_to_gguf"),
    ],
)
async def test_a_wrong_update_is_named(model, model_file, body, message):
    adapters = Adapters([], limit=8)
    adapters.load_into(model, model_file)
    with pytest.raises(InvalidArgument, match=message):
        await adapters.update("load_lora", body)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lora": ["/nowhere/x.gguf"]}, "LoRA adapter '/nowhere/x.gguf' does not exist"),
        ({"lora": ["{poet}", "poet={clerk}"]}, "two LoRA adapters have the name 'poet'"),
        ({"lora_scaled": ["{poet}"]}, "must be a file, a colon and a number"),
        ({"lora_scaled": ["{poet}:nan"]}, "scale of a LoRA adapter is nan"),
        ({"lora": ["{poet}", "{clerk}"], "max_loras": 1}, "2 LoRA adapters are given; max_loras"),
        ({"lora": "{poet}"}, "it must be a list of texts"),
    ],
)
def test_a_wrong_option_is_named(files, options, message):
    filled = {
        name: [each.format(**files) for each in value] if isinstance(value, list) else value
        for name, value in options.items()
    }
    with pytest.raises(InvalidArgument, match=message):
        LlamaCpp(**filled)


def test_the_command_line_names_them(files):
    poet, clerk = files.values()
    engine = LlamaCpp.from_args(["--lora", f"{poet},a={poet}", "--lora", f"b={clerk}"])
    assert list(engine._adapters.by_name) == ["poet", "a", "b"]
    engine = LlamaCpp.from_args(["--lora-scaled", f"{poet}:0.25,c={clerk}:-2"])
    assert [(each.name, each.scale) for each in engine._adapters.by_name.values()] == [
        ("poet", 0.25),
        ("c", -2.0),
    ]


def test_what_was_read_with_an_adapter_that_is_gone_takes_no_room(model, files, prompt):
    cache = PrefixCache(model.max_slots, block_size=16, listener=KvReports(), states=model)
    scheduler = Scheduler(model, prefill_chunk=32, cache=cache)
    adapter = Adapter(name="poet", path=files["poet"])
    scheduler.load_adapter(adapter)
    generation = read_request(
        request(prompt, stop_conditions={"max_tokens": 2}, routing={"lora_name": "poet"}),
        context_length=model.context_length,
        vocab_size=model.vocab_size,
        end_tokens=model.end_tokens,
        defaults={},
        adapters={"poet": adapter},
    )
    slots = range(model.max_slots)
    for slot in slots:
        model.keep(slot, 0)
    scheduler.add(Sequence(generation, 1))
    assert scheduler.uses(adapter)
    while not scheduler.idle:
        assert len(list(scheduler.step())) <= 1
    assert not scheduler.uses(adapter)
    kept = (len(prompt) - 2) // 16 * 16
    assert max(map(model.last_position, slots)) + 1 >= kept > 0
    scheduler.unload_adapter(adapter)
    assert max(map(model.last_position, slots)) == -1
    scheduler.close()


def test_turns_are_fair():
    turns = Turns()
    got = [turns.next(["a", "b", "a", None]) for _ in range(6 * STEPS_OF_A_TURN)]
    whole = [name for name in got[::STEPS_OF_A_TURN] for _ in range(STEPS_OF_A_TURN)]
    assert got == whole
    assert got[::STEPS_OF_A_TURN] == ["a", "b", None, "a", "b", None]
    # Whoever goes loses its place: somebody who waits is before those who come and go.
    assert turns.next(["b", "c"]) == "b"
    assert turns.next(["c", "d"]) == "c"
    assert turns.next(["d", "c"]) == "c"
    assert turns.next(["d", "e"]) == "d"
