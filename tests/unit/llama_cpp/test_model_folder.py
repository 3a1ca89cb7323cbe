"""The model folder that is written from a GGUF file's metadata."""

import dataclasses
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dynamo_backend_common import WorkerConfig
from dynamo_backend_common.engines.llama_cpp import LlamaCpp
from dynamo_backend_common.engines.llama_cpp.files.gguf_metadata import GgufMetadata, read_metadata
from dynamo_backend_common.engines.llama_cpp.files.model_config import (
    config_json,
    generation_config_json,
)
from dynamo_backend_common.engines.llama_cpp.files.model_file import ModelFile
from dynamo_backend_common.engines.llama_cpp.files.model_folder import model_folder
from dynamo_backend_common.engines.llama_cpp.tokenizer.vocabulary import read_vocabulary
from dynamo_backend_common.exceptions import InvalidArgument


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dynamo-backend-common" / "models"


def _json(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def _with(values):
    """The bundled model, saying something else of itself."""
    file = ModelFile()
    changed = dict(file.metadata.values) | values
    file.metadata = GgufMetadata(values=changed, digest="0" * 64)
    return file


def test_its_content(cache):
    folder = model_folder(ModelFile())
    assert folder.parent == cache
    assert folder.name.startswith("SmolLM2-135M-Instruct-")
    assert sorted(path.name for path in folder.iterdir()) == [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    config = _json(folder, "config.json")
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["model_type"] == "llama"
    assert config["max_position_embeddings"] == 8192
    assert config["vocab_size"] == 49152
    assert (config["num_hidden_layers"], config["num_attention_heads"]) == (30, 9)
    assert (config["bos_token_id"], config["eos_token_id"]) == (1, 2)
    assert _json(folder, "generation_config.json") == {"bos_token_id": 1, "eos_token_id": 2}
    tokenizer = _json(folder, "tokenizer_config.json")
    assert (tokenizer["bos_token"], tokenizer["eos_token"]) == ("<|im_start|>", "<|im_end|>")
    assert tokenizer["model_max_length"] == 8192
    assert tokenizer["added_tokens_decoder"]["2"]["content"] == "<|im_end|>"
    assert tokenizer["chat_template"] == (folder / "chat_template.jinja").read_text()
    assert "You are a helpful AI assistant" in tokenizer["chat_template"]


def test_it_is_written_once(cache):
    folder = model_folder(ModelFile())
    (folder / "mark").touch()
    assert model_folder(ModelFile()) == folder
    assert (folder / "mark").exists()
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_another_process_was_faster(monkeypatch, cache):
    original = Path.rename

    def late(self, target):
        Path(target).mkdir()
        (Path(target) / "theirs").touch()
        return original(self, target)

    monkeypatch.setattr(Path, "rename", late)
    folder = model_folder(ModelFile())
    assert [path.name for path in folder.iterdir()] == ["theirs"]
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_nothing_is_left_of_a_failed_write(monkeypatch, cache, temporary):
    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(InvalidArgument, match=r"No space left.* set XDG_CACHE_HOME, or TMPDIR"):
        model_folder(ModelFile())
    assert list(cache.iterdir()) == []
    [left] = temporary.iterdir()
    assert list(left.iterdir()) == []


@pytest.mark.parametrize("home", ["none", "a file", "read-only"])
def test_without_a_cache_a_temporary_folder_serves(monkeypatch, tmp_path, temporary, caplog, home):
    (tmp_path / "file").touch()
    match home:
        case "none":
            monkeypatch.delenv("XDG_CACHE_HOME")
            monkeypatch.setattr(Path, "home", _no_home)
        case "a file":
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        case "read-only":
            monkeypatch.setenv("XDG_CACHE_HOME", "/proc/no-folder")
    folder = model_folder(ModelFile())
    assert folder.is_relative_to(temporary)
    assert (folder / "tokenizer.json").is_file()
    [warning] = caplog.messages
    assert str(folder) in warning
    assert "XDG_CACHE_HOME" in warning


def test_a_forked_child_leaves_the_temporary_folder_to_its_parent(tmp_path):
    program = """
import os, sys
from dynamo_backend_common.engines.llama_cpp.files.model_file import ModelFile
from dynamo_backend_common.engines.llama_cpp.files.model_folder import model_folder
folder = model_folder(ModelFile())
if os.fork() == 0:
    sys.exit()
os.wait()
print(folder.is_dir())
"""
    env = os.environ | {"XDG_CACHE_HOME": "/proc/no-folder", "TMPDIR": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-P", "-c", program], env=env, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "True\n"
    assert list(tmp_path.iterdir()) == []


def _no_home():
    raise RuntimeError("Could not determine home directory.")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_the_worker_gets_folder_and_name():
    config = LlamaCpp().configure(WorkerConfig())
    assert config.model_name == str(model_folder(ModelFile()))
    assert config.served_model_name == "SmolLM2-135M-Instruct"


def test_the_operators_choice_stays(cache):
    chosen = WorkerConfig(model_name="org/other", served_model_name="mine", namespace="there")
    assert LlamaCpp().configure(chosen) == chosen
    assert not cache.exists()
    half = dataclasses.replace(chosen, served_model_name=None)
    assert LlamaCpp().configure(half).served_model_name == "SmolLM2-135M-Instruct"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tokenizer.ggml.pre": "new"}, r"pre-tokenizer 'new' .* known are .*smollm"),
        ({"tokenizer.ggml.model": "plamo2"}, r"tokenizer 'plamo2' .* known are gpt2, llama"),
        ({"tokenizer.ggml.merges": None}, r"tokenizer\.ggml\.merges is missing"),
        ({"llama.context_length": None}, r"llama\.context_length is missing"),
        ({"general.architecture": "clip"}, r"it is no model by itself, .*clip"),
        ({"general.type": "adapter"}, r"it is no model by itself, .*adapter"),
        ({"general.architecture": "bert"}, r"'bert' .* is an encoder, .* --embeddings or --r"),
        ({"llama.attention.causal": False}, r"'llama' .* is an encoder"),
    ],
)
def test_what_is_not_known_is_refused_by_name(cache, values, message):
    with pytest.raises(InvalidArgument, match=message) as caught:
        model_folder(_with(values))
    assert "SmolLM2-135M-Instruct.Q4_1.gguf" in str(caught.value)
    assert not cache.exists()


def test_recommended_sampling_becomes_the_default():
    file = _with({"general.sampling.temp": 0.6, "general.sampling.top_k": 20})
    assert file.sampling_defaults == {"temperature": 0.6, "top_k": 20}
    values = file.metadata.values
    assert generation_config_json(values, read_vocabulary(values))["temperature"] == 0.6
    assert ModelFile().sampling_defaults == {}


def test_several_ends():
    values = _with({"tokenizer.ggml.eot_token_id": 0}).metadata.values
    vocabulary = read_vocabulary(values)
    assert generation_config_json(values, vocabulary)["eos_token_id"] == [2, 0]
    assert config_json(values, vocabulary)["eos_token_id"] == [2, 0]


def test_a_size_of_each_layer():
    values = _with({"llama.attention.head_count": [0, 9, 9], "llama.feed_forward_length": []})
    values = values.metadata.values
    config = config_json(values, read_vocabulary(values))
    assert config["num_attention_heads"] == 9
    assert "intermediate_size" not in config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"cannot be read|is damaged"),
        (b"PK\x03\x04 and more", r"no GGUF file: it begins with b'PK"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), r"has GGUF version 1; accepted are 2 and 3"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2), r"is damaged"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**60), r"is damaged"),
        (b"GGUF" + struct.pack("<IQQQ1sI", 3, 0, 1, 1, b"k", 99), r"is damaged"),
        (
            b"GGUF"
            + struct.pack("<IQQQ1sI", 3, 0, 1, 1, b"k", 9)
            + struct.pack("<IQ", 9, 1) * 2000,
            r"is damaged",
        ),
    ],
)
def test_damaged_files_are_named(tmp_path, content, message):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(InvalidArgument, match=message) as caught:
        read_metadata(path)
    assert str(path) in str(caught.value)


def test_every_type_of_value(tmp_path):
    def text(value):
        return struct.pack("<Q", len(value)) + value

    entries = [
        text(b"small") + struct.pack("<Ib", 1, -3),
        text(b"big") + struct.pack("<IQ", 10, 2**40),
        text(b"flag") + struct.pack("<I?", 7, True),
        text(b"half") + struct.pack("<Id", 12, 0.5),
        text(b"texts") + struct.pack("<IIQ", 9, 8, 2) + text("é".encode()) + text(b""),
        text(b"numbers") + struct.pack("<IIQ3i", 9, 5, 3, 1, -2, 3),
    ]
    entries += [
        text(b"name") + struct.pack("<I", 8) + text(b"caf\xe9"),
        text(b"broken") + struct.pack("<IIQ", 9, 8, 1) + text(b"\xe2\x96"),
    ]
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries) + b"x")
    assert read_metadata(path).values == {
        "small": -3,
        "big": 2**40,
        "flag": True,
        "half": 0.5,
        "texts": ["é", ""],
        "numbers": [1, -2, 3],
        "name": "caf\ufffd",
        "broken": ["\udce2\udc96"],
    }
