"""A model that is fetched from a hub, of which there is one on this machine."""

import asyncio
import logging
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from dynamo_backend_common import WorkerConfig
from dynamo_backend_common.engines.llama_cpp import LlamaCpp
from dynamo_backend_common.engines.llama_cpp.files import hub_fetch
from dynamo_backend_common.engines.llama_cpp.files.hub_download import download
from dynamo_backend_common.engines.llama_cpp.files.hub_model import HubModel
from dynamo_backend_common.engines.llama_cpp.pooling.engine import LlamaCppPooling
from dynamo_backend_common.exceptions import Cancelled, CannotConnect, InvalidArgument
from support.hub import Hub

NAME = "someone/a-model-GGUF"
SHARDS = ["m-Q2_K-00001-of-00002.gguf", "m-Q2_K-00002-of-00002.gguf"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    for name in ("README.md", "m-Q8_0.gguf", "m-Q4_K_M.gguf", *SHARDS):
        (folder / name).write_bytes(name.encode() + os.urandom(3_000_000))
    return folder


@pytest.fixture
def hub(repository, monkeypatch, tmp_path):
    with Hub(repository, NAME) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        for variable in ("HF_TOKEN", "HF_HUB_CACHE"):
            monkeypatch.delenv(variable, raising=False)
        yield hub


def fetch(name, proceed=lambda *_: True):
    return download(HubModel.read(name), proceed)


def children():
    """What runs of those that fetch, or has not been waited for."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return [number for task in tasks for number in (task / "children").read_text().split()]


def test_it_is_fetched_once_and_is_there_without_the_hub(
    hub, repository, monkeypatch, tmp_path, caplog
):
    told = []
    path = fetch(NAME, lambda message, part: told.append((message, part)) or True)
    assert path.name == "m-Q4_K_M.gguf"
    assert path.is_relative_to(tmp_path / "hf" / "hub")
    assert path.read_bytes() == (repository / path.name).read_bytes()
    assert hub.asked == {path.name}
    assert told[0] == (f"asking for {NAME}", None)
    parts = [part for message, part in told if message == "downloading m-Q4_K_M.gguf"]
    assert parts
    assert parts == sorted(parts)

    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert fetch(f"{NAME}:Q4_K_M") == path
    assert "127.0.0.1:1 cannot be reached, so its cache is used" in caplog.text
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch(NAME) == path
    with pytest.raises(InvalidArgument, match=r"'Q8_0'; it has m-Q4_K_M\.gguf"):
        fetch(f"{NAME}:Q8_0")
    with pytest.raises(CannotConnect, match=r"cannot be fetched from http://127\.0\.0\.1:1: "):
        fetch("someone/else")


def test_all_shards_are_fetched_into_one_folder(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    told = []
    path = fetch(f"{NAME}:Q2_K", lambda message, _: told.append(message) or True)
    assert path.name == SHARDS[0]
    assert path.is_relative_to(tmp_path / "elsewhere")
    assert hub.asked == set(SHARDS)
    assert path.with_name(SHARDS[1]).stat().st_size > 3_000_000
    assert f"downloading {SHARDS[1]} (2 of 2)" in told


# Read by the process that fetches, before its own program.
NOISE = r"""
import sys
from huggingface_hub import HfApi

sys.stdout.buffer.write(b"Deprecated: \xff\n[1]\n")
asked = HfApi.model_info


def model_info(*arguments):
    print("Without an end", end="")
    return asked(*arguments)


HfApi.model_info = model_info
"""


def test_what_a_library_prints_is_not_taken_for_what_is_said(hub, monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "sitecustomize.py").write_text(NOISE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    assert fetch(NAME).name == "m-Q4_K_M.gguf"
    said = [message for message in caplog.messages if "huggingface-hub says" in message]
    assert said == [f"huggingface-hub says: {text}" for text in ("Deprecated: \ufffd", "[1]")]


def test_a_line_is_written_whole(monkeypatch):
    written = []
    monkeypatch.setattr(
        sys, "__stdout__", SimpleNamespace(write=written.append, flush=lambda: None)
    )
    hub_fetch._say(progress=0.5, file="m.gguf")
    assert written == ['{"progress": 0.5, "file": "m.gguf"}\n']


def test_a_private_repository_needs_a_token(hub, monkeypatch):
    hub.token = "hf_secret"
    with pytest.raises(InvalidArgument) as caught:
        fetch(NAME)
    assert f"{hub.url} has no repository '{NAME}' for you" in str(caught.value)
    assert "HF_TOKEN" in str(caught.value)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert fetch(NAME).name == "m-Q4_K_M.gguf"


def test_a_hub_that_cannot_be_reached_is_named(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(
        CannotConnect, match=f"model '{NAME}' cannot be fetched from http://127.0.0.1:1: "
    ):
        fetch(NAME)


@pytest.mark.parametrize("during", ["asking", "downloading"])
def test_who_gives_up_leaves_no_half_file_and_can_begin_anew(hub, tmp_path, during):
    hub.goes_on.clear()
    with pytest.raises(Cancelled, match=f"model '{NAME}' is not wanted any more"):
        fetch(NAME, lambda message, _: not message.startswith(during))
    assert not children()
    files = [path.name for path in (tmp_path / "hf").rglob("*.incomplete")]
    assert files == []
    hub.goes_on.set()
    assert fetch(NAME).stat().st_size > 3_000_000


ENGINES = pytest.mark.parametrize(
    "make",
    [
        lambda: LlamaCpp(model=NAME),
        lambda: LlamaCpp(model_draft=NAME),
        lambda: LlamaCppPooling(model=NAME, embeddings=True),
    ],
    ids=["tokens", "draft", "vectors"],
)


@ENGINES
async def test_a_shutdown_ends_the_start_that_fetches(hub, make):
    hub.goes_on.clear()
    engine = make()
    shutdown, loop = asyncio.Event(), asyncio.get_running_loop()

    def progress(message, part):
        if part is not None:
            loop.call_soon_threadsafe(shutdown.set)

    await engine.start(1, progress=progress, shutdown=shutdown)
    await engine.cleanup()
    assert not children()


@ENGINES
async def test_a_file_that_is_no_model_is_said_by_the_start(hub, make):
    engine = make()
    with pytest.raises(InvalidArgument, match=r"m-Q4_K_M\.gguf"):
        await engine.start(1)
    await engine.cleanup()


def test_the_place_of_the_card_is_known_before_the_model_is_here(hub):
    config = LlamaCpp(model=f"{NAME}:Q8_0").configure(WorkerConfig())
    assert config.served_model_name is None
    assert not Path(config.model_name).exists()
    assert Path(config.model_name).parent.is_dir()
    assert hub.asked == set()
