"""A GGUF file's vocabulary as llama.cpp takes it: kinds, types, defaults and all.

llama.cpp fills in what a file does not say, and corrects what it says wrongly. A tokenizer gives
its ids only where it begins from the same vocabulary, so that is settled here once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from .pretokenizers import PreTokenizer, pre_tokenizer
from .special_tokens import SpecialTokens, read_special_tokens
from .token_types import TokenType, token_types

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

logger = logging.getLogger(__name__)

ADVICE = "Give --model-name the model's own folder or hub name."
"""What to do where a file gives no tokenizer: the frontend's then comes from elsewhere."""

# What llama.cpp can read and `tokenizer.json` cannot express.
_ELSEWHERE = {
    "rwkv": "a greedy match of byte strings",
    "plamo2": "a search of its own",
    "hybriddna": "words of DNA of fixed length",
    "whitespace": "words without the space between them",
    "none": "no vocabulary at all",
    "no_vocab": "no vocabulary at all",
}


class Kind(StrEnum):
    """How text becomes tokens; the values are the format's names (``tokenizer.ggml.model``)."""

    BPE = "gpt2"
    SENTENCEPIECE = "llama"
    WORDPIECE = "bert"
    UNIGRAM = "t5"


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """A vocabulary.

    Attributes:
        kind: How text becomes tokens.
        tokens: Text of each token.
        scores: Score of each token.
        types: What each token is.
        merges: Pairs that BPE joins, the first ones first.
        recipe: How BPE splits text before it.
        special: The tokens that begin and end a text, and what is added to one.
        add_space_prefix: Whether a text begins as if there were a space.
        remove_extra_whitespaces: Whether spaces count as one, and at the ends not at all.
        lowercase: Whether WordPiece sees lower case only.
        strip_accents: Whether WordPiece sees letters without their accents.
        charsmap: How Unigram rewrites characters, in SentencePiece's own form; may be empty.
        strips_left: Tokens that take the space before them.
        strips_right: Tokens that take the space behind them.
    """

    kind: Kind
    tokens: Sequence[str]
    scores: Sequence[float]
    types: Sequence[TokenType]
    merges: Sequence[tuple[str, str]]
    recipe: PreTokenizer
    special: SpecialTokens
    add_space_prefix: bool
    remove_extra_whitespaces: bool
    lowercase: bool
    strip_accents: bool
    charsmap: bytes
    strips_left: frozenset[int]
    strips_right: frozenset[int]


def read_vocabulary(values: Mapping[str, Any]) -> Vocabulary:
    """Reads the vocabulary of a GGUF file's metadata.

    Raises:
        InvalidArgument: It is of a kind, or splits text in a way, that is not known; or llama.cpp
            could not load it.
    """
    kind, recipe = _kind(values)
    tokens = _tokens(values)
    given = _sequence(values, "token_type", len(tokens))
    types = token_types(tokens, given)
    left, right = _strips(values, tokens, types)
    if recipe.whole_newlines:
        # Some files of Gemma 4 say that it wants none; llama.cpp knows better.
        values = {**values, "tokenizer.ggml.add_bos_token": True}
    lowercase = bool(_get(values, "normalizer.lowercase", default=True))
    return Vocabulary(
        kind=kind,
        tokens=tokens,
        scores=_sequence(values, "scores", len(tokens)) or [0.0] * len(tokens),
        types=types,
        merges=_merges(values) if kind is Kind.BPE else (),
        recipe=recipe,
        special=read_special_tokens(
            values, size=len(tokens), kind=kind.value, begins=recipe.add_bos
        ),
        add_space_prefix=bool(_get(values, "add_space_prefix", default=kind is Kind.SENTENCEPIECE)),
        remove_extra_whitespaces=bool(_get(values, "remove_extra_whitespaces", default=False)),
        lowercase=lowercase,
        strip_accents=bool(_get(values, "normalizer.strip_accents", default=lowercase)),
        charsmap=bytes(
            byte & 0xFF for byte in _get(values, "precompiled_charsmap", default=None) or ()
        ),
        strips_left=left,
        strips_right=right,
    )


def _get(values: Mapping[str, Any], name: str, *, default: Any) -> Any:
    return values.get(f"tokenizer.ggml.{name}", default)


def _kind(values: Mapping[str, Any]) -> tuple[Kind, PreTokenizer]:
    model = _get(values, "model", default=None)
    # A kind of its own by name, it is BPE with one pre-tokenizer, whatever the file calls that.
    if model == "gemma4":
        return Kind.BPE, pre_tokenizer("gemma4")
    if model not in list(Kind):
        known = ", ".join([*Kind, "gemma4"])
        reason = f"is {_ELSEWHERE[model]}" if model in _ELSEWHERE else "is not known"
        raise InvalidArgument(
            f"tokenizer '{model}' (tokenizer.ggml.model) {reason}; known are {known}. {ADVICE}"
        )
    kind = Kind(model)
    # llama.cpp takes a missing name as 'default'.
    name = (_get(values, "pre", default=None) or "default") if kind is Kind.BPE else "default"
    return kind, pre_tokenizer(name)


def _tokens(values: Mapping[str, Any]) -> list[str]:
    found = _get(values, "tokens", default=None)
    if not found:
        raise InvalidArgument("the GGUF file has no vocabulary: tokenizer.ggml.tokens is missing")
    if not isinstance(found, list) or not all(isinstance(token, str) for token in found):
        raise InvalidArgument("tokenizer.ggml.tokens is no list of texts")
    tokens = [token or f"[EMPTY_{number}]" for number, token in enumerate(found)]
    seen: dict[str, int] = {}
    for number, token in enumerate(tokens):
        if seen.setdefault(token, number) != number:
            raise InvalidArgument(
                f"tokenizer.ggml.tokens has {token!r} twice, as {seen[token]} and as {number}: "
                "llama.cpp cannot load such a file. Make it anew with llama.cpp's own "
                "convert_hf_to_gguf.py"
            )
    broken = [number for number, token in enumerate(tokens) if not _is_text(token)]
    for number in broken:
        # No text has it, so it needs no name that could be found in one.
        tokens[number] = f"[NO_UTF8_{number}]"
    if broken:
        logger.warning(
            "tokenizer.ggml.tokens has %d tokens that are no UTF-8, the first is %d: they are"
            " never part of a prompt, and come out as [NO_UTF8_number]",
            *(len(broken), broken[0]),
        )
    return tokens


def _is_text(token: str) -> bool:
    return token.isascii() or not any("\ud800" <= char <= "\udfff" for char in token)


def _sequence(values: Mapping[str, Any], name: str, size: int) -> list[Any]:
    found = _get(values, name, default=None)
    if found is None:
        return []
    if not isinstance(found, list) or len(found) < size:
        length = len(found) if isinstance(found, list) else found
        raise InvalidArgument(
            f"tokenizer.ggml.{name} has {length!r} entries, tokenizer.ggml.tokens has {size}: "
            "llama.cpp cannot load such a file. Make it anew with llama.cpp's own "
            "convert_hf_to_gguf.py"
        )
    if not all(isinstance(each, (int, float)) for each in found):
        raise InvalidArgument(f"tokenizer.ggml.{name} is no list of numbers")
    if len(found) > size:
        logger.warning(
            "tokenizer.ggml.%s has %d entries for %d tokens: the last ones are not used",
            *(name, len(found), size),
        )
    return found[:size]


def _merges(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = _get(values, "merges", default=None)
    if found is None:
        raise InvalidArgument("the GGUF file has no vocabulary: tokenizer.ggml.merges is missing")
    if not isinstance(found, list) or not all(isinstance(merge, str) for merge in found):
        raise InvalidArgument("tokenizer.ggml.merges is no list of texts")
    pairs: dict[tuple[str, str], None] = {}
    for merge in found:
        # A space that begins it belongs to its first half.
        place = merge.find(" ", 1)
        if place > 0:
            pairs.setdefault((merge[:place], merge[place + 1 :]))
    return list(pairs)


def _strips(
    values: Mapping[str, Any], tokens: Sequence[str], types: Sequence[TokenType]
) -> tuple[frozenset[int], frozenset[int]]:
    """Tokens that take the space before and behind them, which no file says: llama.cpp knows."""
    name = str(values.get("general.name", "")).lower()
    pre = str(_get(values, "pre", default=""))
    architecture = str(values.get("general.architecture", ""))
    mask = None
    if any(part in pre for part in ("jina-v2-de", "jina-v2-es", "jina-v2-code")) or any(
        part in architecture for part in ("nomic-bert-moe", "jina-bert-v3")
    ):
        mask = "<mask>"
    elif "phi-3" in name or "phi3" in name:
        exempt = ("<unk>", "<s>", "<|endoftext|>")
        right = {
            number
            for number, token in enumerate(tokens)
            if token not in exempt and (token == "</s>" or types[number].is_whole)
        }
        return frozenset(), frozenset(right)
    elif "modern-bert" in name:
        mask = "[MASK]"
    left = {number for number, token in enumerate(tokens) if token == mask}
    return frozenset(left), frozenset()
