"""SentencePiece's BPE: of all neighbours that make a token, those with the best score are joined.

`tokenizer.json` has a list of pairs instead of scores, so each way to cut a token in two tokens
becomes a pair, in the order of the scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from .bpe import BYTES, FROM_SPACE, SPACE, bpe_model

if TYPE_CHECKING:
    from .vocabulary import Vocabulary


def sentencepiece(vocabulary: Vocabulary) -> dict[str, Any]:
    """The parts of `tokenizer.json` for a SentencePiece vocabulary with scores.

    Raises:
        InvalidArgument: Scores leave open which pair is joined first, or a token has a character
            that is none.
    """
    normalizers: list[dict[str, Any]] = [FROM_SPACE]
    if vocabulary.add_space_prefix:
        normalizers.insert(0, {"type": "Prepend", "prepend": SPACE})
    model = bpe_model(vocabulary, _merges(vocabulary))
    unk = vocabulary.special.unk
    model["unk_token"] = None if unk is None else vocabulary.tokens[unk]
    return {
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": BYTES},
        "model": model,
    }


def _merges(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    numbers = {token: number for number, token in enumerate(vocabulary.tokens)}
    pairs: list[tuple[float, str, str]] = []
    for token, number in numbers.items():
        if vocabulary.types[number].is_whole and SPACE not in token:
            # Where it is in a text, it has been cut out before.
            continue
        for place in range(1, len(token)):
            left, right = token[:place], token[place:]
            if left in numbers and right in numbers:
                pairs.append((vocabulary.scores[number], left, right))
            else:
                _refuse_unknown_character(token, left, right, numbers)
    # Of equal scores, llama.cpp takes the pair that is first in the text. Within a run of spaces
    # that is the one that has grown already.
    pairs.sort(key=lambda pair: (-pair[0], -len(pair[1])))
    _refuse_equal_scores(pairs)
    return [(left, right) for _, left, right in pairs]


def _refuse_unknown_character(token: str, left: str, right: str, numbers: dict[str, int]) -> None:
    """llama.cpp joins characters that are no tokens; in `tokenizer.json` these are bytes."""
    if all(part in numbers or len(part) == 1 for part in (left, right)):
        missing = left if left not in numbers else right
        raise InvalidArgument(
            f"tokenizer.ggml.tokens has {token!r}, but not {missing!r}, of which it is made: "
            "tokenizer.json cannot express this. Give --model-name the model's own folder or hub "
            "name"
        )


def _refuse_equal_scores(pairs: list[tuple[float, str, str]]) -> None:
    """Refuses pairs of one score that can overlap: which comes first depends on the text."""
    start = 0
    while start < len(pairs):
        end = start
        while end < len(pairs) and pairs[end][0] == pairs[start][0]:
            end += 1
        _refuse_overlaps(pairs[start:end])
        start = end


def _refuse_overlaps(pairs: list[tuple[float, str, str]]) -> None:
    beginning: dict[str, list[str]] = {}
    for _, left, right in pairs:
        beginning.setdefault(left, []).append(right)
    for score, left, middle in pairs:
        for right in beginning.get(middle, ()):
            one, other = left + middle, middle + right
            if one != other and len(set(one + right)) > 1:
                raise InvalidArgument(
                    f"tokens {one!r} and {other!r} have the same score {score:g} "
                    "(tokenizer.ggml.scores), so nothing says how "
                    f"{one + right!r} is split. Give --model-name the model's own folder or hub "
                    "name"
                )
