"""Vocabularies of each kind, learnt from a few texts, as the metadata of a GGUF file."""

from __future__ import annotations

import copy
import json
import struct
from functools import cache
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

TEXTS = (
    "Hello world! Hello there, hello. The theory of these things is there then.",
    "  leading and trailing  spaces   between    words\t\ttabs\n\nnew lines\n \n c\r\nd",
    "I'm you're we'll they'd it's HELLO WORLD iPhone CamelCase snake_case x86_64",
    "1234567 12 3 3.14159 1,000,000 ٣٤٥ ½² Ⅷ① banana bananas hahahaha aaaaaaaa",
    "日本語のテキスト。漢字かな交じり文 한국어 텍스트입니다 中文分词测试",
    "Привет, мир! Ёлка Ελληνικά العربية नमस्ते हिन्दी ไทย café naïve über",
    "👩‍👩‍👧‍👦 emoji 😀😃 def f(x):\n    return x**2  # comment",
)
"""Texts that have what tokenizers differ in."""

_MODEL = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "llama.context_length": 512,
    "llama.embedding_length": 32,
    "llama.block_count": 1,
}
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = range(1, 7)
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def metadata(kind: str, **tokenizer: Any) -> dict[str, Any]:
    """The metadata of a model with a vocabulary of ``kind``.

    Names in ``tokenizer`` change it: those below ``tokenizer.ggml``, or whole ones."""
    values = copy.deepcopy(_VOCABULARIES[kind]()) | tokenizer
    return _MODEL | {
        key if key.startswith(("general.", "tokenizer.")) else f"tokenizer.ggml.{key}": value
        for key, value in values.items()
    }


@cache
def _sentencepiece() -> dict[str, Any]:
    tokens, scores, types = ["<unk>", "<s>", "</s>"], [0.0] * 3, [_UNKNOWN, _CONTROL, _CONTROL]
    tokens += _BYTES
    scores += [0.0] * 256
    types += [_BYTE] * 256
    letters, merged, _ = _learn_merges()
    for number, token in enumerate([*merged, *letters]):
        tokens.append(token)
        scores.append(-float(number))
        types.append(_NORMAL)
    # Added to the vocabulary later, as makers of chat models do.
    for token, kind in (
        ("<|im_start|>", _CONTROL),
        ("<|im_end|>", _NORMAL),
        ("<|endoftext|>", _CONTROL),
        ("  \n", _USER_DEFINED),
    ):
        tokens.append(token)
        scores.append(-1000.0)
        types.append(kind)
    return {
        "model": "llama",
        "tokens": tokens,
        "scores": scores,
        "token_type": types,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "unknown_token_id": 0,
    }


@cache
def _characters() -> dict[str, Any]:
    """BPE over characters, as Gemma 4 has it."""
    letters, merged, merges = _learn_merges(r"[^\n]+|\n+")
    special = {"<pad>": _CONTROL, "<eos>": _CONTROL, "<bos>": _CONTROL, "<|turn>": _CONTROL}
    tokens = [*special, *_BYTES, *letters, *merged]
    types = [*special.values(), *[_BYTE] * 256, *[_NORMAL] * len(letters + merged)]
    return {
        "model": "gemma4",
        "pre": "gemma4",
        "tokens": tokens,
        "token_type": types,
        "scores": [0.0] * len(tokens),
        "merges": merges,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "padding_token_id": 0,
        "add_bos_token": False,
    }


def _learn_merges(pieces: str = r".+|\n+") -> tuple[list[str], list[str], list[str]]:
    """Characters, what they are joined to, and the joins, with "▁" for spaces."""
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pieces), "isolated"),
            pre_tokenizers.Split("▁", "merged_with_next"),
        ]
    )
    trainer = trainers.BpeTrainer(vocab_size=800, min_frequency=1, show_progress=False)
    learner.train_from_iterator([*TEXTS, "\n\n\n", "▁▁▁▁ ▁▁"] * 2, trainer)
    model = json.loads(learner.to_str())["model"]
    merged = ["".join(pair) for pair in model["merges"]]
    # All of a model's merges of spaces are made within words here; runs are made beside them.
    letters = [token for token in model["vocab"] if len(token) == 1]
    merges = [" ".join(pair) for pair in model["merges"]]
    for length in (2, 3, 4, 8):
        run = "▁" * length
        if run not in merged:
            merged.append(run)
            merges.append(f"{'▁' * (length - length // 2)} {'▁' * (length // 2)}")
    return letters, list(dict.fromkeys(merged)), merges


@cache
def _wordpiece() -> dict[str, Any]:
    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.normalizer = normalizers.BertNormalizer()
    learner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=400, min_frequency=1, special_tokens=special, show_progress=False
    )
    learner.train_from_iterator(TEXTS, trainer)
    vocabulary = learner.get_vocab()
    tokens = [
        token
        if token in special
        else token.removeprefix("##")
        if token.startswith("##")
        else f"▁{token}"
        for token in sorted(vocabulary, key=vocabulary.__getitem__)
    ]
    return {
        "model": "bert",
        "tokens": tokens,
        "token_type": [_CONTROL if token in special else _NORMAL for token in tokens],
        "unknown_token_id": 1,
        "bos_token_id": 2,
        "seperator_token_id": 3,
        "padding_token_id": 0,
        "mask_token_id": 4,
    }


@cache
def _unigram() -> dict[str, Any]:
    learner = Tokenizer(models.Unigram())
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    learner.train_from_iterator([text.replace("\n", " ") for text in TEXTS], trainer)
    pieces = json.loads(learner.to_str())["model"]["vocab"]
    tokens = [piece for piece, _ in pieces]
    types = {"<pad>": _CONTROL, "</s>": _CONTROL, "<unk>": _UNKNOWN}
    extra = {"<extra_id_0>": _USER_DEFINED, "[PAD1]": _UNUSED}
    return {
        "model": "t5",
        "tokens": [*tokens, *extra],
        "scores": [*(score for _, score in pieces), 0.0, -10000.0],
        "token_type": [*(types.get(token, _NORMAL) for token in tokens), *extra.values()],
        "eos_token_id": 1,
        "unknown_token_id": 2,
        "padding_token_id": 0,
        "add_space_prefix": True,
        "remove_extra_whitespaces": True,
    }


def charsmap(replacements: dict[str, str]) -> bytes:
    """A table of replacements as SentencePiece keeps it: a double array, and the new texts."""
    texts, places = b"", {}
    for old, new in replacements.items():
        places[old.encode()] = len(texts)
        texts += new.encode() + b"\0"
    units: dict[int, int] = {}
    _place(units, 0, 0, b"", places)
    size = max(units) + 256 - max(units) % 256
    array = struct.pack(f"<{size}I", *(units.get(number, 0) for number in range(size)))
    return struct.pack("<I", len(array)) + array + texts


def _place(
    units: dict[int, int], number: int, label: int, prefix: bytes, places: dict[bytes, int]
) -> None:
    """Puts the node of ``prefix`` at ``number``, and all behind it where there is room."""
    following = sorted(
        {key[len(prefix)] for key in places if key.startswith(prefix) and key != prefix}
    )
    wanted = [*following, *([0] if prefix in places else [])]
    units[number] = 0
    offset = next(
        offset
        for offset in range(1, 1 << 21)
        if all(number ^ offset ^ char not in units for char in wanted)
    )
    units[number] = label | (prefix in places) << 8 | offset << 10
    for char in wanted:
        units[number ^ offset ^ char] = 0
    if prefix in places:
        units[number ^ offset] = places[prefix] | 1 << 31
    for char in following:
        _place(units, number ^ offset ^ char, char, prefix + bytes([char]), places)


_VOCABULARIES = {
    "llama": _sentencepiece,
    "gemma4": _characters,
    "bert": _wordpiece,
    "t5": _unigram,
}
