"""Tokens that an output may have, and those that it may not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ....exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_WORDS = 128
_LONGEST_WORD = 64

NAMES: Final = frozenset({"allowed_token_ids", "bad_words_token_ids"})
"""The names of the options."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenLists:
    """What a request says of tokens one by one.

    Attributes:
        allowed: The only tokens that the output may have; None: all.
        bad_words: Sequences of tokens that it may not have.
    """

    allowed: frozenset[int] | None = None
    bad_words: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def read(cls, options: Mapping[str, Any], *, vocab_size: int) -> TokenLists | None:
        """Reads sampling options.

        Args:
            options: All of them.
            vocab_size: Number of tokens of the vocabulary.

        Returns:
            The lists; None: there are none.

        Raises:
            InvalidArgument: A list is not valid; the message names it.
        """
        allowed = options.get("allowed_token_ids")
        words = options.get("bad_words_token_ids")
        if allowed is not None:
            allowed = frozenset(_tokens("allowed_token_ids", allowed, vocab_size))
            if not allowed:
                raise InvalidArgument(
                    "allowed_token_ids is empty, so that no token could come; name some, or leave "
                    "it out"
                )
        if words is None:
            words = []
        if not isinstance(words, list) or len(words) > _MOST_WORDS:
            raise InvalidArgument(
                f"bad_words_token_ids must be a list of {_MOST_WORDS} words at most, each a list "
                "of tokens"
            )
        bad_words = tuple(_tokens("bad_words_token_ids", word, vocab_size) for word in words)
        if not all(0 < len(word) <= _LONGEST_WORD for word in bad_words):
            raise InvalidArgument(
                f"bad_words_token_ids has a word that is not of 1 to {_LONGEST_WORD} tokens"
            )
        return cls(allowed=allowed, bad_words=bad_words) if allowed or bad_words else None


def _tokens(name: str, given: Any, vocab_size: int) -> tuple[int, ...]:
    if not isinstance(given, list):
        raise InvalidArgument(f"{name} has {given!r}; it must be a list of tokens")
    for token in given:
        if type(token) is not int or not 0 <= token < vocab_size:
            raise InvalidArgument(f"{name} has {token!r}; tokens are 0 to {vocab_size - 1}")
    return tuple(given)
