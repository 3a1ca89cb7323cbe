"""Files as people have them: each is served with llama.cpp's own tokens, or refused by name."""

import json

import pytest
from tokenizers import Tokenizer

from dynamo_backend_common.engines.llama_cpp.files.model_file import ModelFile
from dynamo_backend_common.engines.llama_cpp.files.model_folder import model_folder
from dynamo_backend_common.exceptions import InvalidArgument
from support.gguf_writer import write_gguf
from support.llama_vocabulary import llama_vocabulary
from support.reported_files import reported_files
from support.vocabularies import TEXTS


@pytest.mark.parametrize("reported", reported_files(), ids=lambda reported: reported.name)
def test_a_reported_file(tmp_path, monkeypatch, reported):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = write_gguf(tmp_path / "model.gguf", reported.values)
    if reported.refusal is not None:
        with pytest.raises(InvalidArgument, match=reported.refusal):
            model_folder(ModelFile(path))
        return
    folder = model_folder(ModelFile(path))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    generation = json.loads((folder / "generation_config.json").read_text())
    with llama_vocabulary(path) as own:
        for text in (reported.prompt, 2 * reported.prompt, *TEXTS):
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            assert ids == own.ids(text), repr(text)
            assert tokenizer.decode(ids, skip_special_tokens=False) == own.text(ids)
            assert tokenizer.encode(text).ids == own.ids(text, add_special=True)
        assert generation["eos_token_id"] == own.special("eos")
        if (begin := generation.get("bos_token_id")) is not None:
            assert begin == own.special("bos")
