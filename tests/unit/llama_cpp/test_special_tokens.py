"""What a file says wrongly of its special tokens is put right as llama.cpp does it."""

import pytest

from dynamo_backend_common.engines.llama_cpp import Options
from dynamo_backend_common.engines.llama_cpp.binding.library import library
from dynamo_backend_common.engines.llama_cpp.binding.model import Model
from dynamo_backend_common.engines.llama_cpp.files.gguf_metadata import read_metadata
from dynamo_backend_common.engines.llama_cpp.tokenizer.token_types import ENDS, TokenType
from dynamo_backend_common.engines.llama_cpp.tokenizer.tokenizer_files import tokenizer_config_json
from dynamo_backend_common.engines.llama_cpp.tokenizer.vocabulary import read_vocabulary
from dynamo_backend_common.engines.llama_cpp.tokenizer.whole_tokens import added_tokens
from support.gguf_writer import write_gguf
from support.llama_vocabulary import llama_vocabulary
from support.tiny_gguf import write_tiny_of
from support.vocabularies import metadata

_NORMAL, _CONTROL = 1, 3
_CHANNELS = ("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>", "<|end|>")


def _bpe(*texts, kind=_NORMAL, **tokenizer):
    """A vocabulary of bytes' letters and ``texts``."""
    letters = [chr(code) for code in (*range(0x21, 0x7F), 0x120, 0x10A)]
    tokens = [*letters, *texts]
    return metadata(
        "llama",
        **{
            "model": "gpt2",
            "pre": "gpt-2",
            "tokens": tokens,
            "merges": [],
            "scores": None,
            "token_type": [_NORMAL] * len(letters) + [kind] * len(texts),
            "bos_token_id": 0,
            "eos_token_id": 0,
            "unknown_token_id": None,
        }
        | tokenizer,
    )


@pytest.mark.parametrize(
    "values",
    [
        *(_bpe(text) for text in sorted(ENDS)),
        _bpe("<|fim_prefix|>", "<fim_suffix>", "<MID>", "[PAD]", "<reponame>", "<|file_sep|>"),
        _bpe("<|eot_id|>", "<|start_header_id|>", "<unused0>", kind=_CONTROL),
        _bpe(*_CHANNELS, "<|return|>", "<|call|>", kind=_CONTROL),
        _bpe(*_CHANNELS, "<|flush|>", "<|calls|>", kind=_CONTROL),
        _bpe("<|end|>", "<|return|>"),
        _bpe("</s>", "<|tool_response>", kind=_CONTROL),
        _bpe("a b", "", kind=4),
        _bpe("<x>", kind=77),
        _bpe("<x>", token_type=None),
        # Learnt anew each time, so that one's tokens are no name of a test.
        *(pytest.param(metadata(kind), id=kind) for kind in ("llama", "bert", "t5", "gemma4")),
    ],
    ids=lambda values: " ".join(values["tokenizer.ggml.tokens"][96:104]),
)
def test_types_are_llama_cpps_own(tmp_path, values):
    path = write_gguf(tmp_path / "model.gguf", values)
    vocabulary = read_vocabulary(read_metadata(path).values)
    c = library()
    with llama_vocabulary(path) as own:
        attributes = [
            TokenType(c.llama_vocab_get_attr(own.vocabulary, number) & 0x3F)
            for number in range(own.size)
        ]
        assert [c.llama_vocab_get_text(own.vocabulary, n).decode() for n in range(own.size)] == (
            list(vocabulary.tokens)
        )
    # Unused control tokens are found in a text all the same.
    unused = ~TokenType.UNUSED
    whole = [kind & unused if kind.is_whole else kind for kind in attributes]
    assert list(vocabulary.types) == whole


@pytest.mark.parametrize("kind", ["llama", "bert", "t5", "gemma4"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bos_token_id": None, "eos_token_id": None, "unknown_token_id": None},
        {"bos_token_id": 99999, "eos_token_id": 2**31 + 5, "padding_token_id": 2**32 - 1},
        {"eot_token_id": 3, "eom_token_id": 1, "add_bos_token": True, "add_eos_token": True},
        {"add_bos_token": False, "add_eos_token": False},
    ],
    ids=["as it is", "missing", "out of range", "added", "not added"],
)
def test_special_tokens_are_llama_cpps_own(tmp_path, kind, changes):
    path = write_gguf(tmp_path / "model.gguf", metadata(kind, **changes))
    special = read_vocabulary(read_metadata(path).values).special
    c = library()
    with llama_vocabulary(path) as own:
        for name in ("bos", "eos", "sep", "pad"):
            assert getattr(special, name) == own.special(name), name
        for name in ("bos", "eos"):
            adds = getattr(c, f"llama_vocab_get_add_{name}")(own.vocabulary)
            wanted = getattr(special, f"add_{name}")
            assert wanted == (adds and own.special(name) is not None), name


def test_a_number_out_of_range_is_told(caplog):
    read_vocabulary(metadata("llama", bos_token_id=99999, padding_token_id=5000))
    assert [message.partition(" is ")[2] for message in caplog.messages] == [
        "99999, which is no token of 702: 1 is used",
        "5000, which is no token of 702: not used",
    ]


def test_a_default_that_a_small_vocabulary_does_not_have_is_none():
    tokens = ["[PAD]", "[UNK]", "a"]
    numbers = {f"{name}_token_id": None for name in ("bos", "unknown", "seperator", "padding")}
    values = metadata("bert", tokens=tokens, token_type=None, scores=None, **numbers)
    special = read_vocabulary(values).special
    # llama.cpp's are 101, 100, 102 and 0.
    assert (special.bos, special.unk, special.sep, special.pad) == (None, None, None, 0)


def test_a_space_that_begins_a_merge_belongs_to_its_first_half():
    vocabulary = read_vocabulary(_bpe(merges=["a b", " a b", "ab"]))
    assert list(vocabulary.merges) == [("a", "b"), (" a", "b")]


@pytest.mark.parametrize(
    ("names", "mask"),
    [
        ({"general.name": "modern-bert-base"}, "[MASK]"),
        ({"general.architecture": "nomic-bert-moe"}, "<mask>"),
        ({"pre": "jina-v2-code"}, "<mask>"),
        ({"general.name": "other"}, None),
    ],
)
def test_which_token_takes_the_space_before_it(names, mask):
    values = _bpe("[MASK]", "<mask>", **names)
    vocabulary = read_vocabulary(values)
    assert [vocabulary.tokens[number] for number in vocabulary.strips_left] == [mask] * bool(mask)


def test_more_types_than_tokens_are_told(caplog):
    values = metadata("llama")
    values["tokenizer.ggml.scores"] += [0.0, 0.0]
    assert len(read_vocabulary(values).scores) == 702
    assert "scores has 704 entries for 702 tokens" in caplog.messages[0]


def test_a_token_that_is_no_text(tmp_path, caplog):
    values = metadata("llama")
    values["tokenizer.ggml.tokens"][300] = "\udcff\udcfe"
    path = write_gguf(tmp_path / "model.gguf", values)
    vocabulary = read_vocabulary(read_metadata(path).values)
    assert vocabulary.tokens[300] == "[NO_UTF8_300]"
    assert "1 tokens that are no UTF-8, the first is 300" in caplog.messages[0]


def test_no_end_and_no_padding():
    values = _bpe("<x>", bos_token_id=None, eos_token_id=None)
    vocabulary = read_vocabulary(values)
    config = tokenizer_config_json(vocabulary, context_length=8, chat_template=None)
    assert not {"bos_token", "eos_token", "pad_token", "chat_template"} & set(config)
    assert vocabulary.special.ends == []


@pytest.mark.parametrize(
    ("texts", "named", "wanted"),
    [
        (["<|im_end|>"], None, {"<|im_end|>"}),
        (["<|im_end|>"], 20, {"<|im_end|>", "5"}),
        ([], None, set()),
    ],
)
def test_text_ends_nothing_unless_the_file_says_so(tmp_path, texts, named, wanted):
    values = _bpe(*texts, bos_token_id=None, eos_token_id=named)
    path = write_tiny_of(tmp_path / "model.gguf", values)
    model = Model(path, Options(context_length=64, threads=1))
    try:
        tokens = values["tokenizer.ggml.tokens"]
        assert {tokens[number] for number in model.end_tokens} == wanted
        assert model.begin_token is None
    finally:
        model.close()


def test_tokens_of_channels_stay_in_the_output():
    vocabulary = read_vocabulary(_bpe(*_CHANNELS, "<|return|>", "<|call|>", kind=_CONTROL))
    hidden = {token["content"] for token in added_tokens(vocabulary).values() if token["special"]}
    assert hidden == {"<|return|>", "<|call|>"}
