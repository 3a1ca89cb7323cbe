"""Reranking by the bundled engine, with a small model, as clients get it."""

from collections.abc import Iterator

import pytest

from support.bert_files import write_bert
from support.launcher import Launcher, Server

pytestmark = pytest.mark.model

DOCUMENTS = ["the dog", "the cat sat", "xyz"]


@pytest.fixture(scope="module")
def server(shared: Launcher) -> Iterator[Server]:
    path = write_bert(shared.folder / "reranker.gguf", pooling=None, is_reranker=True)
    served = shared.serve("llama-cpp", "--", "--model-path", str(path), "--reranking")
    yield served
    assert served.process.terminate() == 0
    assert "Traceback" not in served.process.output


def test_documents_come_in_order(server: Server) -> None:
    body = {"model": "reranker", "query": "the cat", "documents": DOCUMENTS}
    ranked = server.api.post("rerank", body)
    assert ranked.status == 200, ranked.text
    scores = [each["score"] for each in ranked.json]
    assert len(set(scores)) == 3
    assert scores == sorted(scores, reverse=True)
    assert [DOCUMENTS[each["index"]] for each in ranked.json] == [
        each["document"] for each in ranked.json
    ]
    best = server.api.post("rerank", {**body, "top_n": 1, "return_documents": False})
    assert best.json == [{"score": pytest.approx(scores[0]), "index": ranked.json[0]["index"]}]


def test_a_text_that_is_too_long_is_the_client_s_fault(server: Server) -> None:
    body = {"model": "reranker", "query": "the cat", "documents": ["q", "the " * 64]}
    answer = server.api.post("rerank", body)
    assert answer.status == 400, answer.text
    assert "the query with document 1 has 68 tokens, the context 64" in answer.text
