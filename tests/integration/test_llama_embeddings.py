"""Embeddings of the bundled engine, with a small model, as clients get them."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
from openai import OpenAI

from support.bert_files import WIDTH, write_bert
from support.launcher import Launcher, Server
from support.processes import until
from support.system import System

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def system(shared: Launcher) -> System:
    return System(shared.ports.reserve())


@pytest.fixture(scope="module")
def server(shared: Launcher, system: System) -> Iterator[Server]:
    path = write_bert(shared.folder / "tiny-bert-f32.gguf")
    env = {"DYN_SYSTEM_PORT": str(system.port)}
    served = shared.serve("llama-cpp", "--", "--model-path", str(path), "--embeddings", env=env)
    yield served
    assert served.process.terminate() == 0
    assert "Traceback" not in served.process.output


def test_the_openai_client_gets_them(server: Server) -> None:
    with OpenAI(base_url=server.api.url, api_key="none", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["tiny-bert"]
        # It asks for base64 where its user says nothing.
        by_bytes = client.embeddings.create(model="tiny-bert", input=["the cat sat", "q"])
        by_numbers = client.embeddings.create(
            model="tiny-bert", input=["the cat sat", "q"], encoding_format="float"
        )
        assert by_bytes.usage.prompt_tokens == by_numbers.usage.total_tokens == 5 + 3
        found = [
            np.array([each.embedding for each in answer.data]) for answer in (by_bytes, by_numbers)
        ]
        assert found[0].shape == (2, WIDTH)
        assert found[0] == pytest.approx(found[1], abs=1e-6)
        assert np.linalg.norm(found[0], axis=1) == pytest.approx(1, abs=1e-6)
        tokens = client.embeddings.create(model="tiny-bert", input=[[2, 57, 58, 60, 3]])
        assert tokens.data[0].embedding == pytest.approx(list(found[0][0]), abs=1e-5)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"input": "the " * 70}, "input 0 has 72 tokens, the context 64"),
        ({"input": "q", "dimensions": 8}, "dimensions is 8"),
        ({"input": []}, "input must be"),
    ],
)
def test_what_it_does_not_have_is_the_client_s_fault(
    server: Server, body: dict[str, object], said: str
) -> None:
    answer = server.api.post("embeddings", {"model": "tiny-bert", **body})
    assert answer.status == 400, answer.text
    assert said in answer.text
    assert server.api.post("embeddings", {"model": "tiny-bert", "input": "q"}).status == 200


def test_it_sleeps_and_tells_what_it_computed(server: Server, system: System) -> None:
    def computed() -> int:
        text = system.get("/metrics").text
        [tokens] = re.findall(r"^llamacpp:prompt_tokens_total{.*} (\d+)$", text, re.MULTILINE)
        return int(tokens)

    body, before = {"model": "tiny-bert", "input": "q"}, computed()
    awake = server.api.post("embeddings", body)
    assert computed() >= before + 3
    assert system.control("sleep").json["is_sleeping"] is True
    assert not system.is_ready()
    assert server.api.post("embeddings", body).status in (404, 503)
    assert system.control("wake_up").json["is_sleeping"] is False
    until(lambda: server.api.models() == ["tiny-bert"], "the frontend knows it again")
    assert server.api.post("embeddings", body).json == awake.json
    assert computed() >= before + 6
