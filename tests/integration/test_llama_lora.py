"""LoRA adapters of the bundled engine, as clients and operators see them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dynamo_backend_common.engines.llama_cpp.files.model_file import ModelFile
from support.api import text_of
from support.launcher import Launcher, Server
from support.lora_files import write_lora
from support.processes import until
from support.system import System

pytestmark = pytest.mark.model

PROMPT = "Once upon a time there was a lighthouse keeper who counted the ships. In spring he saw"


@pytest.fixture(scope="module")
def files(shared: Launcher) -> dict[str, Path]:
    values = ModelFile().metadata.values
    return {
        name: write_lora(shared.folder / f"{name}.gguf", values, seed)
        for seed, name in enumerate(("poet", "clerk"))
    }


@pytest.fixture(scope="module")
def server(shared: Launcher, files: dict[str, Path]) -> Iterator[tuple[Server, System]]:
    port = shared.ports.reserve()
    env = {"XDG_CACHE_HOME": str(shared.folder / "cache"), "DYN_SYSTEM_PORT": str(port)}
    served = shared.serve("llama-cpp", "--", "--lora", str(files["poet"]), env=env)
    yield served, System(port)
    assert served.process.terminate() == 0
    assert "Traceback" not in served.process.output


def test_each_adapter_is_a_model(server: tuple[Server, System], files: dict[str, Path]) -> None:
    (served, system), api = server, server[0].api

    def says(model: str) -> str:
        answer = api.complete(PROMPT, model=model, temperature=0, max_tokens=12)
        assert answer.status == 200, answer.text
        assert answer.json["model"] == model
        return text_of(answer.json)

    until(lambda: sorted(api.models()) == sorted([served.model, "poet"]), "it is listed")
    plain, poem = says(served.model), says("poet")
    assert plain != poem

    body = {"lora_name": "clerk", "lora_path": str(files["clerk"]), "scale": 1.5}
    answer = system.control("update/load_lora", body)
    assert answer.json == {"status": "ok", "lora_name": "clerk", "lora_id": 2}, answer.text
    until(lambda: "clerk" in api.models(), "it is listed")
    assert len({plain, poem, says("clerk")}) == 3
    assert (says(served.model), says("poet")) == (plain, poem)

    answer = system.control("update/unload_lora", {"lora_name": "clerk"})
    assert answer.json["status"] == "ok", answer.text
    until(lambda: "clerk" not in api.models(), "it is not listed any more")
    assert api.complete(PROMPT, model="clerk", max_tokens=2).status == 404
    assert says("poet") == poem


def test_a_wrong_file_is_the_operator_s_to_mend(
    server: tuple[Server, System], files: dict[str, Path], tmp_path: Path
) -> None:
    served, system = server
    wrong = write_lora(
        tmp_path / "wrong.gguf", ModelFile().metadata.values, 0, general__architecture="bert"
    )
    answer = system.control("update/load_lora", {"lora_name": "w", "lora_path": str(wrong)})
    assert "it is for the architecture 'bert'" in answer.text
    assert "w" not in served.api.models()
    assert served.api.complete(PROMPT, max_tokens=2).status == 200
