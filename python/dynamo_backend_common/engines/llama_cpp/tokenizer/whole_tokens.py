"""Tokens that are found in a text as a whole, before anything is split: marks of chats and such."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .vocabulary import Vocabulary


def added_tokens(vocabulary: Vocabulary) -> dict[int, dict[str, Any]]:
    """These tokens by number, in the form of ``added_tokens_decoder``."""
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


def refuse_overlaps(vocabulary: Vocabulary) -> None:
    """Refuses tokens that overlap in a text so that the order of the search decides.

    llama.cpp looks for the longest token first, everywhere; `tokenizers` for the longest one at
    the first place.

    Raises:
        InvalidArgument: There are two such tokens.
    """
    tokens = [
        token
        for token, kind in zip(vocabulary.tokens, vocabulary.types, strict=True)
        if kind.is_whole
    ]
    for first, second, text in _overlaps(tokens):
        near = [token for token in tokens if token in text]
        if _longest_first(text, near) != _first_place(text, near):
            raise InvalidArgument(
                f"tokens {first!r} and {second!r} overlap, so {text!r} is not split alike by "
                "llama.cpp and by the frontend. Give --model-name the model's own folder or hub "
                "name"
            )


def _overlaps(tokens: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Pairs of which one ends as the other begins, and the text that has both."""
    beginning: dict[str, list[str]] = {}
    for token in tokens:
        for length in range(1, len(token)):
            beginning.setdefault(token[:length], []).append(token)
    for first in tokens:
        for place in range(1, len(first)):
            for second in beginning.get(first[place:], ()):
                if len(second.encode()) >= len(first.encode()) and second != first:
                    yield first, second, first[:place] + second


def _longest_first(text: str, tokens: Sequence[str]) -> list[str]:
    fragments = [(text, False)]
    for token in sorted(tokens, key=lambda token: (-len(token.encode()), token)):
        parts: list[tuple[str, bool]] = []
        for fragment, done in fragments:
            if done:
                parts.append((fragment, True))
                continue
            for number, part in enumerate(fragment.split(token)):
                parts += [(token, True)] * (number > 0) + [(part, False)] * bool(part)
        fragments = parts
    return [fragment for fragment, _ in fragments]


def _first_place(text: str, tokens: Sequence[str]) -> list[str]:
    found: list[str] = []
    rest, place = 0, 0
    while place < len(text):
        token = max(
            (token for token in tokens if text.startswith(token, place)), key=len, default=""
        )
        if token:
            found += [text[rest:place]] * (place > rest) + [token]
            place = rest = place + len(token)
        else:
            place += 1
    return found + [text[rest:]] * (rest < len(text))
