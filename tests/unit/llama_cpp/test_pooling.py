"""Embeddings and reranking: llama.cpp's own vectors, batches, and what is refused."""

import asyncio
import base64

import llama_cpp
import numpy as np
import pytest

from dynamo_backend_common import WorkerConfig
from dynamo_backend_common.engines.llama_cpp import LlamaCpp, LlamaCppPooling, Options
from dynamo_backend_common.engines.llama_cpp.binding.pooled_model import PooledModel
from dynamo_backend_common.engines.llama_cpp.pooling.batches import Batches
from dynamo_backend_common.engines.llama_cpp.steps.counts import Counts
from dynamo_backend_common.exceptions import EngineShutdown, InvalidArgument
from dynamo_backend_common.testing import context
from support.bert_files import CONTEXT, WIDTH, write_bert
from support.tiny_gguf import write_tiny, write_tiny_of
from support.vocabularies import metadata

TEXTS = ["the cat sat", "the dog ran xyz", "q", "the the the the the cat"]


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return write_tiny_of(tmp_path_factory.mktemp("decoder") / "tiny.gguf", metadata("llama"))


@pytest.fixture(scope="module")
def reranker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reranker")
    return write_bert(folder / "reranker.gguf", pooling=None, is_reranker=True)


async def _ask(engine, asked=None, **request):
    chunks = [chunk async for chunk in engine.generate(request, asked or context())]
    assert len(chunks) == 1
    return chunks[0]


async def _embed(engine, given, **request):
    answer = await _ask(engine, model="m", input=given, **request)
    assert [each["index"] for each in answer["data"]] == list(range(len(answer["data"])))
    return [each["embedding"] for each in answer["data"]]


def _own(path, texts, **options):
    """What llama-cpp-python's own class says."""
    llama = llama_cpp.Llama(
        str(path), embedding=True, n_threads=1, verbose=False, **{"n_ctx": 0} | options
    )
    found = [llama.embed(text, normalize=True) for text in texts]
    llama.close()
    return np.array(found)


@pytest.mark.parametrize(
    ("file", "pooling", "number"),
    [("bert", None, -1), ("bert", "cls", 2), ("decoder", "mean", 1), ("decoder", "last", 3)],
)
async def test_embeddings_are_llama_s_own(start_pooling, bert, decoder, file, pooling, number):
    path = bert if file == "bert" else decoder
    engine = await start_pooling(model_path=str(path), pooling=pooling, context_length=CONTEXT)
    expected = _own(path, TEXTS, pooling_type=number, n_ctx=256)
    found = np.array(await _embed(engine, TEXTS))
    assert found == pytest.approx(expected, abs=1e-5)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
    # Each alone, as bytes.
    for text, vector in zip(TEXTS, expected, strict=True):
        [encoded] = await _embed(engine, text, encoding_format="base64")
        decoded = np.frombuffer(base64.b64decode(encoded), "<f4")
        assert decoded == pytest.approx(vector, abs=1e-6)


async def test_the_answer_is_that_of_the_openai_api(start_pooling):
    engine = await start_pooling()
    answer = await _ask(engine, model="m", input=TEXTS[:2], user="u", encoding_format="float")
    assert answer["object"] == "list"
    assert answer["model"] == "m"
    assert [each["object"] for each in answer["data"]] == ["embedding"] * 2
    assert {len(each["embedding"]) for each in answer["data"]} == {WIDTH}
    assert answer["usage"] == {"prompt_tokens": 5 + 8, "total_tokens": 5 + 8}


async def test_tokens_are_taken_as_they_are(start_pooling):
    engine = await start_pooling()
    tokens = engine._loaded.tokenize(TEXTS[0], add_special=True, parse_special=True)
    by_text = await _embed(engine, TEXTS[0])
    assert await _embed(engine, tokens) == by_text
    for vector in await _embed(engine, [tokens, tokens]):
        assert vector == pytest.approx(by_text[0], abs=1e-5)
    assert await _embed(engine, TEXTS[0], add_special_tokens=False) == await _embed(
        engine, tokens[1:-1]
    )
    long = tokens * CONTEXT
    for length in (3, -1):
        cut = long[: length if length > 0 else CONTEXT]
        assert await _embed(engine, long, truncate_prompt_tokens=length) == await _embed(
            engine, cut
        )


async def test_a_text_that_is_cut_ends_as_the_model_wants_it(start_pooling):
    engine = await start_pooling()
    begun, *inner, ended = engine._loaded.tokenize(
        "the cat " * CONTEXT, add_special=True, parse_special=True
    )
    text = "the cat " * CONTEXT
    for length in (CONTEXT, 3, 2):
        assert await _embed(engine, text, truncate_prompt_tokens=length) == await _embed(
            engine, [begun, *inner[: length - 2], ended]
        )
    assert await _embed(engine, text, truncate_prompt_tokens=-1) == await _embed(
        engine, [begun, *inner[: CONTEXT - 2], ended]
    )
    assert await _embed(
        engine, text, truncate_prompt_tokens=3, add_special_tokens=False
    ) == await _embed(engine, inner[:3])
    assert await _embed(engine, text, truncate_prompt_tokens=1)


@pytest.mark.parametrize(
    ("begins", "ends", "cut"),
    [(True, True, [1, 300, 2]), (False, True, [300, 301, 2]), (True, False, [1, 300, 301])],
)
def test_the_end_of_a_decoder_is_kept(tmp_path, begins, ends, cut):
    values = metadata("llama", add_bos_token=begins, add_eos_token=ends)
    path = write_tiny_of(tmp_path / "tiny.gguf", values)
    model = PooledModel(path, Options(embeddings=True, pooling="last", threads=1))
    whole = [*[1] * begins, *range(300, 310), *[2] * ends]
    assert model.cut(whole, 3) == cut
    assert model.cut(whole, len(whole)) == whole
    model.close()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"input": "the " * CONTEXT}, f"input 0 has {CONTEXT + 2} tokens, the context {CONTEXT}"),
        ({"input": ["q", [5]]}, "input must be a text, a list of texts, tokens, or a list of"),
        ({"input": []}, "input must be"),
        ({"input": None}, "input must be"),
        ({"input": [[]]}, "input 0 is empty"),
        ({"input": [5, 9999]}, "input has 9999; tokens are 0 to"),
        ({"input": "", "add_special_tokens": False}, "input 0 is empty"),
        ({"input": "q", "dimensions": 8}, f"dimensions is 8; .* have {WIDTH}"),
        ({"input": "q", "encoding_format": "hex"}, "encoding_format is 'hex'"),
        ({"input": "q", "truncate_prompt_tokens": 0}, "truncate_prompt_tokens is 0"),
        ({"input": "q", "add_special_tokens": "no"}, "add_special_tokens is 'no'"),
        ({"input": "q", "task": "query"}, "task is not supported by llama-cpp"),
    ],
)
async def test_a_wrong_request_is_named(start_pooling, request_, message):
    engine = await start_pooling()
    with pytest.raises(InvalidArgument, match=message):
        await _ask(engine, model="m", **request_)
    assert await _embed(engine, "q", dimensions=WIDTH)


async def test_one_text_does_not_wait_for_all_of_another_request(bert):
    options = Options(embeddings=True, threads=1, max_num_seqs=4)
    model = PooledModel(bert, options)
    seen, vectors = [], model.vectors
    model.vectors = lambda texts: seen.append(texts) or vectors(texts)
    batches = Batches(model, Counts())
    many = batches.submit([[2, 10 + number, 3] for number in range(9)])
    one = batches.submit([[2, 5, 3]])
    gone = batches.submit([[2, 6, 3]])
    gone.outcome.cancel()
    batches.start()
    assert len(await asyncio.wrap_future(many.outcome)) == 9
    assert one.outcome.done()
    assert [len(batch) for batch in seen] == [4, 4, 2]
    assert [2, 5, 3] in seen[0]
    assert all([2, 6, 3] not in batch for batch in seen)
    assert not batches._requests
    batches.stop()
    model.close()
    with pytest.raises(EngineShutdown):
        batches.submit([[2, 5, 3]])


async def test_a_batch_has_no_more_tokens_than_there_is_room(bert):
    options = Options(
        embeddings=True, threads=1, max_num_seqs=8, max_num_batched_tokens=100, prefill_chunk=8
    )
    model = PooledModel(bert, options)
    assert model.max_num_batched_tokens == 104
    batches = Batches(model, Counts())
    texts = [[2] * length for length in (60, 44, 1, 64, 39)]
    asked = batches.submit(texts)
    batches.start()
    found = await asyncio.wrap_future(asked.outcome)
    for text, vector in zip(texts, found, strict=True):
        alone = await asyncio.wrap_future(batches.submit([text]).outcome)
        assert vector == pytest.approx(alone[0], abs=1e-4)
    batches.stop()
    model.close()


async def test_who_leaves_has_no_answer_and_nobody_else_is_hurt(start_pooling, monkeypatch):
    engine = await start_pooling()
    leaving, vectors = context(), PooledModel.vectors
    entered = asyncio.Event()
    loop = asyncio.get_running_loop()

    def leave(model, texts):
        loop.call_soon_threadsafe(entered.set)
        return vectors(model, texts)

    monkeypatch.setattr(PooledModel, "vectors", leave)
    answers = engine.generate({"model": "m", "input": TEXTS * 50}, leaving)
    asking = asyncio.create_task(anext(answers, None))
    await entered.wait()
    leaving.stop()
    answer = await asking
    assert answer is None or len(answer["data"]) == len(TEXTS) * 50
    await answers.aclose()
    assert await _embed(engine, "q")


async def test_a_cleanup_does_not_wait_for_a_long_text(start_pooling, model_file, monkeypatch):
    engine = await start_pooling(
        model_path=str(model_file.path), pooling="mean", context_length=1024
    )
    entered, loop, decode = asyncio.Event(), asyncio.get_running_loop(), PooledModel.decode

    def enter(model):
        loop.call_soon_threadsafe(entered.set)
        decode(model)

    monkeypatch.setattr(PooledModel, "decode", enter)
    asking = asyncio.create_task(_embed(engine, [504] * 1000))
    watching = asyncio.create_task(engine.watch())
    await entered.wait()
    await engine.cleanup()
    with pytest.raises(EngineShutdown, match="was shut down"):
        await asking
    await watching


async def test_a_failure_is_told_to_all_and_to_the_worker(start_pooling, monkeypatch):
    engine = await start_pooling()

    def broken(model, texts):
        raise RuntimeError("llama_decode answered -3")

    monkeypatch.setattr(PooledModel, "vectors", broken)
    for _ in range(2):
        with pytest.raises(EngineShutdown, match="llama_decode answered -3"):
            await _embed(engine, "q")
    with pytest.raises(RuntimeError, match="llama_decode answered -3"):
        await engine.watch()
    await engine.cleanup()
    with pytest.raises(EngineShutdown, match="llama_decode answered -3"):
        await _embed(engine, "q")


async def test_scores_are_llama_s_own(start_pooling, reranker):
    engine = await start_pooling(model_path=str(reranker), embeddings=False, reranking=True)
    query, documents = "the cat", ["the dog", "the cat sat", "xyz"]
    # [CLS] query [SEP] document
    pairs = [engine._loaded.pair(query, document) for document in documents]
    assert [pair[:4] for pair in pairs] == [[2, 57, 58, 3]] * 3
    llama = llama_cpp.Llama(
        str(reranker), embedding=True, n_ctx=256, pooling_type=4, n_threads=1, verbose=False
    )
    scores = []
    for pair in pairs:
        llama.tokenize = lambda *_, pair=pair: pair
        scores.append(llama.embed("")[0])
    llama.close()
    assert len(set(scores)) == 3
    order = sorted(range(3), key=lambda place: -scores[place])

    [*ranked] = await _ask(engine, model="m", query=query, documents=documents)
    assert [each["index"] for each in ranked] == order
    assert [each["document"] for each in ranked] == [documents[place] for place in order]
    assert [each["score"] for each in ranked] == pytest.approx(
        [scores[place] for place in order], abs=1e-5
    )
    best = await _ask(
        engine, model="m", query=query, documents=documents, top_n=1, return_documents=False
    )
    assert [list(each) for each in best] == [["score", "index"]]
    assert best[0]["index"] == order[0]
    for request, message in (
        ({"query": query, "documents": []}, "documents is empty"),
        ({"query": query, "documents": "q"}, "documents must be a list of texts"),
        ({"query": 5, "documents": ["q"]}, "query must be a text"),
        ({"query": query, "documents": ["q"], "top_n": 0}, "top_n is 0"),
        ({"query": query, "documents": ["q", "the " * 64]}, "the query with document 1 has 68"),
        ({"query": query, "documents": ["q"], "rank_fields": ["a"]}, "rank_fields is not"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            await _ask(engine, model="m", **request)


async def test_a_reranker_s_own_template_is_used(start_pooling, tmp_path):
    path = write_bert(
        tmp_path / "t.gguf",
        is_reranker=True,
        **{"tokenizer.chat_template.rerank": "[CLS]{document}[SEP]{query}[SEP]"},
    )
    engine = await start_pooling(model_path=str(path), embeddings=False, reranking=True)
    assert engine._loaded.pair("the cat", "dog") == [2, 59, 3, 57, 58, 3]
    assert engine._loaded.pair("{document}", "dog").count(59) == 1


@pytest.mark.parametrize(
    ("engine", "file", "options", "message"),
    [
        (LlamaCppPooling, "decoder", {"embeddings": True}, r"give pooling \(--pooling\), mean"),
        (LlamaCppPooling, "rank", {"embeddings": True}, "serve it with --reranking"),
        (LlamaCppPooling, "bert", {"reranking": True}, "is no reranker: it has none of the"),
        (LlamaCppPooling, "bert", {"embeddings": True, "context_length": 65}, "than the 64 tokens"),
        (LlamaCpp, "bert", {}, "'bert' .* is an encoder"),
        (LlamaCpp, "llada", {}, "is an encoder, which makes no text"),
    ],
)
async def test_a_file_that_is_made_for_something_else_is_refused(
    bert, decoder, tmp_path, engine, file, options, message
):
    rank = write_bert(tmp_path / "rank.gguf", pooling=4, is_reranker=True)
    # Of its kind only llama.cpp says that it writes no token behind another.
    llada = write_tiny(tmp_path / "llada.gguf", vocab_size=300, architecture="llada")
    path = {"bert": bert, "rank": rank, "decoder": decoder, "llada": llada}[file]
    made = engine(model_path=str(path), threads=1, **options)
    with pytest.raises(InvalidArgument, match=message):
        await made.start(1)
    await made.cleanup()


@pytest.mark.parametrize(
    ("engine", "options", "message"),
    [
        (LlamaCppPooling, {}, "needs embeddings or reranking"),
        (LlamaCpp, {"embeddings": True}, "LlamaCppPooling has"),
        (LlamaCppPooling, {"embeddings": True, "reranking": True}, "a worker serves one"),
        (LlamaCpp, {"pooling": "mean"}, "pooling is for embeddings"),
        (LlamaCppPooling, {"embeddings": True, "lora": ["x"]}, "LoRA adapters are not supported"),
        (LlamaCppPooling, {"reranking": True, "spec_type": "ngram-simple"}, "speculative decoding"),
        (LlamaCppPooling, {"embeddings": True, "pooling": "none"}, "one of mean, cls, last"),
    ],
)
def test_options_that_do_not_go_together_are_refused(engine, options, message):
    with pytest.raises(InvalidArgument, match=message):
        engine(**options)


@pytest.mark.parametrize(
    ("argument", "endpoint"), [("--embeddings", "embedding"), ("--reranking", "rerank")]
)
async def test_the_command_line_chooses_the_engine(bert, argument, endpoint):
    engine = LlamaCpp.from_args(["--model-path", str(bert), argument])
    assert isinstance(engine, LlamaCppPooling)
    config = engine.configure(WorkerConfig())
    assert (config.endpoint_types, config.served_model_name) == (endpoint, "tiny-bert")
    assert engine.configure(WorkerConfig(endpoint_types=endpoint)).endpoint_types == endpoint
    with pytest.raises(InvalidArgument, match="endpoint_types is 'images'"):
        engine.configure(WorkerConfig(endpoint_types="images"))
    assert await engine.health_check_payload()
