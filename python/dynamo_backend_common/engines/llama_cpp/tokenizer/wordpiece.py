"""WordPiece: words are cleaned, and each is cut into the longest tokens from its beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from .bpe import SPACE, TO_SPACE

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

_CHINESE = (
    r"\x{4e00}-\x{9fff}\x{3400}-\x{4dbf}\x{20000}-\x{2a6df}\x{2a700}-\x{2b73f}\x{2b740}-\x{2b81f}"
    r"\x{2b920}-\x{2ceaf}\x{f900}-\x{faff}\x{2f800}-\x{2fa1f}"
)
_ALONE = rf"\p{{P}}$+<=>^`|~{_CHINESE}"
# Syllables of each first consonant: the rest of them counts as an accent.
_SYLLABLES = [
    (
        chr(0x1100 + number),
        rf"[\x{{{0xAC00 + number * 588:x}}}-\x{{{0xAC00 + number * 588 + 587:x}}}]",
    )
    for number in range(19)
]
# Longer than any word: there is no limit in llama.cpp.
_LONGEST_WORD = 1_000_000_000


def wordpiece(vocabulary: Vocabulary) -> dict[str, Any]:
    """The parts of `tokenizer.json` for a WordPiece vocabulary.

    Its tokens have "▁" where a word begins, and nothing where one goes on.

    Raises:
        InvalidArgument: There is no token for what is unknown.
    """
    unk = vocabulary.special.unk
    if unk is None:
        raise InvalidArgument(
            "the GGUF file has no token for unknown words: tokenizer.ggml.unknown_token_id"
        )
    word_begins = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always"}
    return {
        "normalizer": {"type": "Sequence", "normalizers": _normalizers(vocabulary)},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                _split(r"\s+", "Removed"),
                _split(rf"[{_ALONE}]", "Isolated"),
                word_begins | {"split": False},
            ],
        },
        "decoder": {"type": "Sequence", "decoders": [TO_SPACE, {"type": "Fuse"}]},
        "model": {
            "type": "WordPiece",
            "unk_token": vocabulary.tokens[unk],
            "continuing_subword_prefix": "",
            "max_input_chars_per_word": _LONGEST_WORD,
            "vocab": {token: number for number, token in enumerate(vocabulary.tokens)},
        },
    }


def _normalizers(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    if vocabulary.strip_accents:
        steps += [_replace(pattern, consonant) for consonant, pattern in _SYLLABLES]
        steps += [{"type": "NFD"}, _replace(r"\p{M}", "")]
    steps.append(_replace(r"[[\p{Cc}\p{Cf}\p{Co}\x{fffd}]&&[^\s]]", ""))
    if vocabulary.lowercase:
        # Rust gives it a dot of its own behind it.
        steps += [_replace("\u0130", "i"), {"type": "Lowercase"}]
    # A word that begins with the mark gets another, as every word does.
    steps.append(_replace(rf"(?<![^\s{_ALONE}]){SPACE}", 2 * SPACE))
    return steps


def _replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _split(pattern: str, behavior: str) -> dict[str, Any]:
    return {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": behavior,
        "invert": False,
    }
