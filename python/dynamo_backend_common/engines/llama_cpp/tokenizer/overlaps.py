"""Tokens that are found as a whole and overlap, of which the order of a search decides."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from ....exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Set

    from .vocabulary import Vocabulary

_ADVICE = "Give --model-name the model's own folder or hub name"
# What may be looked at, in characters and tokens: one or two seconds. Vocabularies that people use
# need a hundredth of it.
_MOST_WORK = 5_000_000
_WORK_OF_A_TEXT = 100
# Characters that are copied and compared in the time of looking at one.
_AT_ONCE = 64


def refuse_overlaps(vocabulary: Vocabulary) -> None:
    """Refuses tokens that overlap in a text so that the order of the search decides.

    llama.cpp looks for the longest token first, everywhere; `tokenizers` for the longest one at
    the first place. Where a token takes the space behind it, none may begin with one.

    Raises:
        InvalidArgument: There are two such tokens, or so many that overlap that it cannot be told.
    """
    tokens = [
        token
        for token, kind in zip(vocabulary.tokens, vocabulary.types, strict=True)
        if kind.is_whole
    ]
    spaces = [token for token in tokens if token[0].isspace()]
    if vocabulary.strips_right and spaces:
        raise InvalidArgument(
            f"token {spaces[0]!r} begins with a space, which the token before it may take: "
            f"tokenizer.json cannot express this. {_ADVICE}"
        )
    whole, sizes = frozenset(tokens), sorted({len(token) for token in tokens})
    work, seen = _Work(), set[str]()
    for first, second, text in _overlaps(tokens, work):
        if text in seen:
            continue
        seen.add(text)
        work.add(_WORK_OF_A_TEXT + len(text) * (len(sizes) + sum(sizes) // _AT_ONCE))
        pieces = (text[at : at + size] for at in range(len(text)) for size in sizes)
        near = {piece for piece in pieces if piece in whole}
        work.add(len(near) * len(text))
        if _longest_first(text, near) != _first_place(text, near):
            raise InvalidArgument(
                f"tokens {first!r} and {second!r} overlap, so {text!r} is not split alike by "
                f"llama.cpp and by the frontend. {_ADVICE}"
            )


class _Work:
    """What was looked at so far: a file may be made so that it never ends."""

    def __init__(self) -> None:
        self._done = 0

    def add(self, amount: int) -> None:
        """Counts what is looked at next.

        Raises:
            InvalidArgument: It is too much.
        """
        self._done += amount
        if self._done > _MOST_WORK:
            raise InvalidArgument(
                "so many tokens that are found as a whole overlap that it cannot be told whether "
                f"llama.cpp and the frontend split every text alike. {_ADVICE}"
            )


def _overlaps(tokens: Sequence[str], work: _Work) -> Iterator[tuple[str, str, str]]:
    """Pairs of which one ends as the other begins, and the text that has both."""
    ordered = sorted(set(tokens))
    lengths = {token: len(token.encode()) for token in ordered}
    letters = {token[0] for token in ordered}
    for first in tokens:
        for place in range(1, len(first)):
            if first[place] not in letters:
                continue
            work.add(len(first) - place)
            shared = first[place:]
            for number in range(bisect_left(ordered, shared), len(ordered)):
                second = ordered[number]
                if not second.startswith(shared):
                    break
                work.add(1)
                if second == shared or lengths[second] < lengths[first]:
                    continue
                text = first[:place] + second
                # Of a run, both take the longest part from the left.
                if len(set(text)) > 1:
                    yield first, second, text


def _longest_first(text: str, tokens: Set[str]) -> list[str]:
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


def _first_place(text: str, tokens: Set[str]) -> list[str]:
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
