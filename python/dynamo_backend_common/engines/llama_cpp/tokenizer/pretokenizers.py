"""How a BPE vocabulary's text is split before merging, by the name that a GGUF file gives it.

Each recipe is the list of patterns that llama.cpp itself applies under that name, one after the
other: every match and every gap between matches is a piece of its own. The patterns are written for
the Oniguruma syntax of `tokenizer.json`. Only names whose recipe was compared with llama.cpp's own
token ids are here; guessing one would garble every prompt without an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ....exceptions import InvalidArgument

_CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


@dataclass(frozen=True, kw_only=True, slots=True)
class PreTokenizer:
    """A way to split text.

    Attributes:
        patterns: Patterns in the order in which they split.
        ignore_merges: Whether a piece that is a token as a whole is taken without merging.
    """

    patterns: tuple[str, ...]
    ignore_merges: bool = False

    def as_json(self) -> dict[str, Any]:
        """The ``pre_tokenizer`` of `tokenizer.json`."""
        splits = [
            {
                "type": "Split",
                "pattern": {"Regex": pattern},
                "behavior": "Isolated",
                "invert": False,
            }
            for pattern in self.patterns
        ]
        # Bytes become the characters of the vocabulary only after all splitting.
        byte_level = {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
            "use_regex": False,
        }
        return {"type": "Sequence", "pretokenizers": [*splits, byte_level]}


_PLAIN = PreTokenizer(patterns=(_GPT2,))
_DIGITS = PreTokenizer(patterns=(r"\p{N}", _GPT2))
_LLAMA3 = PreTokenizer(
    patterns=(rf"{_CONTRACTIONS}|{_WORDS}|\p{{N}}{{1,3}}|{_REST}",), ignore_merges=True
)
_QWEN2 = PreTokenizer(patterns=(rf"{_CONTRACTIONS}|{_WORDS}|\p{{N}}|{_REST}",))
_MARKED_WORDS = (
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PUNCTUATION = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Letters but for the other case's of ASCII.
_UPPER, _LOWER = r"(?:(?=\p{L})[^a-z])", r"(?:(?=\p{L})[^A-Z])"
_CASE_REST = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CASED = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"
    rf"|\p{{N}}|{_CASE_REST}"
)
_CASED_CONTRACTIONS = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTIONS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTIONS}?"
    rf"|\p{{N}}{{1,3}}|{_CASE_REST}"
)

_QWEN35 = PreTokenizer(patterns=(_MARKED_WORDS,))
_THREE_DIGITS = PreTokenizer(patterns=_LLAMA3.patterns)
_DEFAULT = PreTokenizer(patterns=(r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"))
_DEEPSEEK_V3 = PreTokenizer(
    patterns=(r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", _PUNCTUATION)
)
_GPT4O = PreTokenizer(patterns=(_CASED_CONTRACTIONS,))
_TEKKEN = PreTokenizer(patterns=(_CASED,), ignore_merges=True)

KNOWN: dict[str, PreTokenizer] = {
    "default": _DEFAULT,
    "gpt-2": _PLAIN,
    "phi-2": _PLAIN,
    "mpt": _PLAIN,
    "olmo": _PLAIN,
    "smollm": _DIGITS,
    "starcoder": _DIGITS,
    "refact": _DIGITS,
    "command-r": _DIGITS,
    "codeshell": _DIGITS,
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "llama-v3": _LLAMA3,
    "falcon3": _LLAMA3,
    "lfm2": _LLAMA3,
    "qwen2": _QWEN2,
    "deepseek-r1-qwen": _QWEN2,
    "stablelm2": _QWEN2,
    "qwen35": _QWEN35,
    "dbrx": _THREE_DIGITS,
    "smaug-bpe": _THREE_DIGITS,
    "chatglm-bpe": _THREE_DIGITS,
    "glm4": _LLAMA3,
    "deepseek-v3": _DEEPSEEK_V3,
    "gpt-4o": _GPT4O,
    "tekken": _TEKKEN,
}
"""Name in ``tokenizer.ggml.pre`` to recipe."""


def pre_tokenizer(name: str) -> PreTokenizer:
    """The recipe of ``name``.

    Raises:
        InvalidArgument: It is not known; the message lists those that are.
    """
    try:
        return KNOWN[name]
    except KeyError:
        raise InvalidArgument(
            f"pre-tokenizer '{name}' (tokenizer.ggml.pre) is not known; known are "
            f"{', '.join(sorted(KNOWN))}. Give --model-name the model's own folder or hub name."
        ) from None
