"""A tokenizer that is made from a GGUF file gives llama.cpp's own ids, and its text."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from dynamo_backend_common.engines.llama_cpp.files.gguf_metadata import read_metadata
from dynamo_backend_common.engines.llama_cpp.tokenizer.tokenizer_files import tokenizer_json
from dynamo_backend_common.engines.llama_cpp.tokenizer.vocabulary import read_vocabulary
from dynamo_backend_common.exceptions import InvalidArgument
from support.gguf_writer import write_gguf
from support.llama_vocabulary import llama_vocabulary
from support.token_texts import MANY_STRINGS
from support.vocabularies import TEXTS, charsmap, metadata

_CHARSMAP = charsmap(
    {"\n": " ", "\t": " ", "\u00a0": " ", "\u3000": " ", "\u200b": "", "ﬁ": "fi", "½": "1\u20442"}
    | {"²": "2", "①": "1", "ｱ": "ア", "㍿": "株式会社", "e\u0301": "é", "Ⅳ": "IV", "\ufeff": ""}
)
KINDS = {
    "SentencePiece": ("llama", {}),
    "SentencePiece without a space before": ("llama", {"add_space_prefix": False}),
    "SentencePiece with an end": ("llama", {"add_bos_token": False, "add_eos_token": True}),
    "characters of Gemma 4": ("gemma4", {}),
    "characters of Sarvam": ("gemma4", {"model": "gpt2", "pre": "sarvam-moe"}),
    "WordPiece": ("bert", {}),
    "WordPiece with case": ("bert", {"normalizer.lowercase": False}),
    "WordPiece with accents": ("bert", {"normalizer.strip_accents": False}),
    "Unigram": ("t5", {}),
    "Unigram with a space before": ("t5", {"remove_extra_whitespaces": False}),
    "Unigram that keeps spaces": ("t5", {"add_space_prefix": False}),
    "Unigram as it is": ("t5", {"remove_extra_whitespaces": False, "add_space_prefix": False}),
    "Unigram with a table": ("t5", {"precompiled_charsmap": _CHARSMAP}),
}


def _tokenizer(values):
    return Tokenizer.from_str(json.dumps(tokenizer_json(read_vocabulary(values))))


@pytest.fixture(scope="module", params=KINDS)
def both(request, tmp_path_factory):
    """A file's tokenizer as the frontend has it, and llama.cpp's own."""
    kind, changes = KINDS[request.param]
    path = write_gguf(tmp_path_factory.mktemp("kind") / "model.gguf", metadata(kind, **changes))
    with llama_vocabulary(path) as own:
        yield _tokenizer(read_metadata(path).values), own, "precompiled_charsmap" in changes


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=MANY_STRINGS)
def test_ids_and_text_are_llama_cpps_own(both, texts):
    tokenizer, own, has_table = both
    for text in texts:
        # `tokenizers` applies the table to what a reader sees as one character, llama.cpp to each.
        if has_table and _has_cluster(text):
            continue
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert ids == own.ids(text), repr(text)
        assert tokenizer.decode(ids, skip_special_tokens=False) == own.text(ids), repr(text)


def _has_cluster(text):
    """Whether a mark stands behind a character that it does not make another one with.

    Nor does llama.cpp replace what may begin a token of the user's, as "<e" does here.
    """
    marks = "\u0301\u0327\u0903\u0338\u200d"
    rest = re.sub("(?<!<)e\u0301", "", text)
    return any(mark in rest for mark in marks)


def test_texts_of_many_scripts(both):
    tokenizer, own, _ = both
    for text in TEXTS:
        assert tokenizer.encode(text).ids == own.ids(text, add_special=True), repr(text)


def test_a_stream_gives_whole_characters_only(both):
    tokenizer, own, _ = both
    for text in TEXTS:
        ids = own.ids(text)
        stream = DecodeStream(skip_special_tokens=False)
        parts = [stream.step(tokenizer, token) or "" for token in ids]
        assert "".join(parts) == own.text(ids)
        assert not any("\ufffd" in part for part in parts)


def _equal_scores(values):
    values["tokenizer.ggml.scores"] = [-1000.0] * len(values["tokenizer.ggml.tokens"])


def _without_a_character(values):
    tokens = values["tokenizer.ggml.tokens"]
    tokens[tokens.index("h")] = "something else"


def _merge_to_nothing(values):
    values["tokenizer.ggml.merges"].append("h z")


def _twice(values):
    values["tokenizer.ggml.tokens"][-1] = values["tokenizer.ggml.tokens"][-2]


def _add_whole(values, tokens):
    values["tokenizer.ggml.tokens"] += tokens
    values["tokenizer.ggml.scores"] += [0.0] * len(tokens)
    values["tokenizer.ggml.token_type"] += [4] * len(tokens)


def _overlapping(values):
    _add_whole(values, ["<a>#", "#<b><c>"])


def _many_overlapping(values):
    # Each of the first overlaps with each of the others, and both searches find it before them.
    _add_whole(values, [f"({number:04}a)" for number in range(2000)])
    _add_whole(values, [f"){number:04}b|" for number in range(2000)])


def _texts_for_scores(values):
    values["tokenizer.ggml.scores"] = ["0"] * len(values["tokenizer.ggml.tokens"])


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("llama", _equal_scores, r"tokens '.*' and '.*' have the same score -1000 "),
        ("llama", _without_a_character, r"tokens has '.*h.*', but not 'h', of which it is made"),
        ("gemma4", _merge_to_nothing, r"merges joins 'h' and 'z', and not all of the three"),
        ("bert", _twice, r"tokens has '.*' twice, as 398 and as 399"),
        ("llama", _overlapping, r"'<a>#' and '#<b><c>' overlap, so '<a>#<b><c>' is not"),
        ("llama", _many_overlapping, r"so many tokens that are found as a whole overlap"),
        ("t5", lambda v: v["tokenizer.ggml.scores"].pop(), r"scores has 186 entries, .* has 187"),
        ("t5", lambda v: v["tokenizer.ggml.token_type"].pop(), r"token_type has 186 entries"),
        ("bert", lambda v: v.update({"tokenizer.ggml.tokens": []}), r"tokens is missing"),
        ("llama", lambda v: v.update({"tokenizer.ggml.tokens": [1, 2]}), r"is no list of texts"),
        (
            "gemma4",
            lambda v: v.update({"tokenizer.ggml.merges": [1]}),
            r"merges is no list of texts",
        ),
        ("llama", _texts_for_scores, r"scores is no list of numbers"),
        ("llama", lambda v: v.update({"general.name": "Phi-3"}), r"'  \\n' begins with a space"),
        ("llama", lambda v: v.update({"tokenizer.ggml.model": "rwkv"}), r"'rwkv' .* greedy match"),
        ("llama", lambda v: v.update({"tokenizer.ggml.model": "new"}), r"'new' .* not known"),
    ],
)
def test_what_cannot_be_had_is_refused(kind, change, message):
    values = metadata(kind)
    change(values)
    with pytest.raises(InvalidArgument, match=message):
        tokenizer_json(read_vocabulary(values))
