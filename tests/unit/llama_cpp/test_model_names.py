"""What a model is called, the shards that it has, and which file of a repository it is."""

import pytest

from dynamo_backend_common.engines.llama_cpp import LlamaCpp
from dynamo_backend_common.engines.llama_cpp.files.hub_model import HubModel
from dynamo_backend_common.engines.llama_cpp.files.model_file import ModelFile
from dynamo_backend_common.engines.llama_cpp.files.model_name import model_name
from dynamo_backend_common.exceptions import InvalidArgument


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("SmolLM2-135M-Instruct.Q4_1", "SmolLM2-135M-Instruct"),
        ("Llama-3.2-1B-Instruct-Q4_K_M", "Llama-3.2-1B-Instruct"),
        ("qwen2.5-0.5b-instruct-iq3_xs", "qwen2.5-0.5b-instruct"),
        ("Mistral-Nemo.i1-IQ2_XS", "Mistral-Nemo"),
        ("Qwen3-4B-UD-Q4_K_XL", "Qwen3-4B"),
        ("tinyllama_q8_0", "tinyllama"),
        ("DeepSeek-R1-Q4_K_M-00001-of-00009", "DeepSeek-R1"),
        ("gpt-oss-20b-MXFP4_MOE", "gpt-oss-20b"),
        ("gpt-oss-120b-mxfp4-00001-of-00003", "gpt-oss-120b"),
        ("gemma-3-1b-it-BF16", "gemma-3-1b-it"),
        ("model-f16", "model"),
        ("phi-2.fp16", "phi-2"),
        ("bitnet-TQ1_0", "bitnet"),
        ("Phi-3-mini-4k-instruct-q4", "Phi-3-mini-4k-instruct"),
        ("Llama-3-8B-imat-IQ4_NL", "Llama-3-8B"),
        ("SmolLM2-135M-Instruct-Q4_0_4_4", "SmolLM2-135M-Instruct"),
        ("plain", "plain"),
        ("m-00001-of-00000", "m-00001-of-00000"),
        ("Q8_0", "Q8_0"),
        # Not all that looks like one is one.
        ("Qwen2-VL-7B", "Qwen2-VL-7B"),
        ("Yi-34B-200K", "Yi-34B-200K"),
        ("model-00001-of-00002-v2", "model-00001-of-00002-v2"),
        ("F16-training", "F16-training"),
    ],
)
def test_the_name_is_the_files_without_shard_and_quantisation(stem, name):
    assert model_name(stem) == name


@pytest.mark.parametrize("given", ["m-Q8_0-00001-of-00003.gguf", "m-Q8_0-00003-of-00003.gguf"])
def test_any_shard_names_the_model(tmp_path, given):
    for number in (1, 2, 3):
        (tmp_path / f"m-Q8_0-0000{number}-of-00003.gguf").touch()
    file = ModelFile(tmp_path / given)
    assert file.path == tmp_path / "m-Q8_0-00001-of-00003.gguf"
    assert file.name == "m"


def test_shards_that_are_missing_are_named_before_anything_is_loaded(tmp_path):
    (tmp_path / "m-00002-of-00003.gguf").touch()
    with pytest.raises(InvalidArgument) as caught:
        LlamaCpp(model_path=str(tmp_path / "m-00002-of-00003.gguf"))
    missing = "m-00001-of-00003.gguf, m-00003-of-00003.gguf are not in that folder"
    assert missing in str(caught.value)


REPOSITORY = [
    "README.md",
    "mmproj-model-Q8_0.gguf",
    "model-BF16.gguf",
    "model-IQ4_XS.gguf",
    "model-Q2_K.gguf",
    "model-Q4_K_M.gguf",
    "model-UD-Q2_K_XL.gguf",
    "big/model-Q6_K-00001-of-00002.gguf",
    "big/model-Q6_K-00002-of-00002.gguf",
]


@pytest.mark.parametrize(
    ("asked", "files"),
    [
        ("me/it", ["model-Q4_K_M.gguf"]),
        ("me/it:q2_k", ["model-Q2_K.gguf"]),
        ("me/it:UD-Q2_K_XL", ["model-UD-Q2_K_XL.gguf"]),
        ("me/it:IQ4_XS", ["model-IQ4_XS.gguf"]),
        ("me/it:Q6_K", REPOSITORY[-2:]),
        ("me/it:model-BF16.gguf", ["model-BF16.gguf"]),
        ("me/it:mmproj-model-Q8_0.gguf", ["mmproj-model-Q8_0.gguf"]),
    ],
)
def test_the_file_of_a_repository_is_chosen_by_quantisation(asked, files):
    assert HubModel.read(asked).choose(REPOSITORY) == files


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["m-F16.gguf", "m-Q8_0.gguf"], ["m-Q8_0.gguf"]),
        (["m-F16.gguf", "m-Q5_K_M.gguf"], ["m-F16.gguf"]),
        (["m-Q4_K_M-00001-of-00001.gguf"], ["m-Q4_K_M-00001-of-00001.gguf"]),
    ],
)
def test_without_a_quantisation_it_is_as_llama_cpp_chooses(names, files):
    assert HubModel.read("me/it").choose(names) == files


@pytest.mark.parametrize(
    ("asked", "names", "message"),
    [
        ("me/it:Q3_K", REPOSITORY, "no file of the repository is 'Q3_K'; it has model-BF16.gguf, "),
        # No part of another one's name.
        ("me/it:Q4_XS", REPOSITORY, "no file of the repository is 'Q4_XS'"),
        ("me/it", ["README.md", "model.safetensors"], "has no GGUF file"),
        ("me/it", ["mmproj-F16.gguf"], "has no GGUF file"),
        ("me/it:Q6_K", REPOSITORY[:-1], "without big/model-Q6_K-00002-of-00002.gguf"),
    ],
)
def test_what_a_repository_does_not_have_is_said(asked, names, message):
    with pytest.raises(InvalidArgument) as caught:
        HubModel.read(asked).choose(names)
    assert str(caught.value).startswith(f"model '{asked}': ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "model",
    ["nowhere.gguf", "nowhere", "./a", "../a", "a/b/c", "a/b:", "folder/nowhere.gguf", "a b/c"],
)
def test_what_is_neither_a_file_nor_a_name_is_refused(model):
    with pytest.raises(InvalidArgument, match="is no file here, and no name at a hub: that is OWN"):
        LlamaCpp(model=model)


def test_one_model_at_a_time(model_file):
    with pytest.raises(InvalidArgument, match="model and model_path are both given"):
        LlamaCpp(model="a/b", model_path=str(model_file.path))


def test_a_file_is_a_model_too(model_file):
    engine = LlamaCpp(model=str(model_file.path))
    assert engine._source.name == "SmolLM2-135M-Instruct"
