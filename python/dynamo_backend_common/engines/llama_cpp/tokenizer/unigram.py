"""Unigram: of all ways to cut a text into tokens, the one with the best sum of scores."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from .bpe import FROM_SPACE, SPACE, TO_SPACE
from .token_types import TokenType

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

_MATCHED = TokenType.NORMAL | TokenType.USER_DEFINED | TokenType.UNUSED


def unigram(vocabulary: Vocabulary) -> dict[str, Any]:
    """The parts of `tokenizer.json` for a Unigram vocabulary."""
    normalizers: list[dict[str, Any]] = []
    if vocabulary.charsmap:
        charsmap = base64.b64encode(vocabulary.charsmap).decode()
        normalizers.append({"type": "Precompiled", "precompiled_charsmap": charsmap})
    return {
        "normalizer": {"type": "Sequence", "normalizers": [*normalizers, *_spaces(vocabulary)]},
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": [TO_SPACE, {"type": "Fuse"}]},
        "model": {
            "type": "Unigram",
            "unk_id": vocabulary.special.unk,
            "vocab": _pieces(vocabulary),
            "byte_fallback": False,
        },
    }


def _spaces(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    prepend = {"type": "Prepend", "prepend": SPACE}
    if vocabulary.remove_extra_whitespaces:
        return [_replace(r"\A +| +\z", ""), prepend, _replace(" +", SPACE)]
    if vocabulary.add_space_prefix:
        # Where there is nothing but spaces, none is added.
        return [prepend, _replace(rf"\A{SPACE}(?= *\z)", ""), FROM_SPACE]
    return [FROM_SPACE]


def _replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _pieces(vocabulary: Vocabulary) -> list[tuple[str, float]]:
    tokens = list(zip(vocabulary.tokens, vocabulary.scores, vocabulary.types, strict=True))
    # What is unknown costs a fixed amount more than this.
    worst = min((score for _, score, kind in tokens if kind & TokenType.NORMAL), default=0.0)
    pieces = []
    for token, score, kind in tokens:
        if kind & _MATCHED and score >= worst:
            pieces.append((token, score))
        elif kind.is_whole:
            # Cut out before; the score counts only as one that is not the worst.
            pieces.append((token, worst))
        else:
            # A space of its own is in no text here, so it is never found.
            pieces.append((f"{token} ", worst))
    return pieces
