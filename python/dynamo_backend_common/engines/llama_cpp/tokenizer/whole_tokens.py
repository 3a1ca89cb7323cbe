"""Tokens that are found in a text as a whole, before anything is split: marks of chats and such."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .vocabulary import Vocabulary


def added_tokens(vocabulary: Vocabulary) -> dict[int, dict[str, Any]]:
    """These tokens by number, in the form of ``added_tokens_decoder``.

    Of the spaces beside a token that takes them, llama.cpp knows those of ASCII, `tokenizers` all.
    """
    return {
        number: {
            "content": vocabulary.tokens[number],
            "single_word": False,
            "lstrip": number in vocabulary.strips_left,
            "rstrip": number in vocabulary.strips_right,
            "normalized": False,
            # The frontend reads what is behind a special token for itself, to remember it; the
            # space that the token takes would be back.
            "special": kind.is_special and number not in vocabulary.strips_right,
        }
        for number, kind in enumerate(vocabulary.types)
        if kind.is_whole
    }
