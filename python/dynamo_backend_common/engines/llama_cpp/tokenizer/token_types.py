"""What each token of a vocabulary is: ordinary text, or one that is found in a text as a whole.

llama.cpp takes the types of the file, and overrules them for tokens that it knows by their text:
many files have their marks of a turn's end as ordinary text.
"""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class TokenType(IntFlag):
    """What a token is; llama.cpp's attributes, which may come together."""

    UNDEFINED = 0
    UNKNOWN = 1
    UNUSED = 2
    NORMAL = 4
    CONTROL = 8
    USER_DEFINED = 16
    BYTE = 32

    @property
    def is_whole(self) -> bool:
        """Whether it is found in a text as a whole, before anything is split."""
        return bool(self & (TokenType.CONTROL | TokenType.USER_DEFINED | TokenType.UNKNOWN))

    @property
    def is_special(self) -> bool:
        """Whether it is left out where special tokens are not wanted in a text."""
        return bool(self & (TokenType.CONTROL | TokenType.UNKNOWN))


# Number in ``tokenizer.ggml.token_type``.
_NUMBERS = {
    1: TokenType.NORMAL,
    2: TokenType.UNKNOWN,
    3: TokenType.CONTROL,
    4: TokenType.USER_DEFINED,
    5: TokenType.UNUSED,
    6: TokenType.BYTE,
}
ENDS = frozenset(
    (
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<|return|>",
        "<|call|>",
        "<|flush|>",
        "<|calls|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "</s>",
        "<|eom_id|>",
        "<EOT>",
        "_<EOT>",
        "[EOT]",
        "[EOS]",
        "<|end_of_text|>",
        "<end_of_utterance>",
        "<eos>",
        "<turn|>",
        "<|tool_response>",
        "<｜end▁of▁sentence｜>",
        "[e~[",
    )
)
"""Texts that end a text or a turn, whatever the file says of their type."""
# Parts of fill-in-the-middle prompts; of each row, the first token that there is.
_FILL_IN = (
    (
        *("<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>"),
        *("<|code_prefix|>", "<|prefix|>"),
    ),
    (
        *("<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>"),
        *("<|code_suffix|>", "<|suffix|>"),
    ),
    (
        *("<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>"),
        *("<|code_middle|>", "<|middle|>"),
    ),
    ("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"),
    ("<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"),
    ("<|file_sep|>",),
)
# Always part of the output: a client tells a channel's text by them.
_CHANNELS = ("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>")


def token_types(tokens: Sequence[str], given: Sequence[int]) -> list[TokenType]:
    """The types that llama.cpp gives to ``tokens``.

    Args:
        tokens: Text of each token.
        given: Type numbers of the file; empty where it has none.
    """
    if given:
        types = [_NUMBERS.get(number, TokenType.UNDEFINED) for number in given]
    else:
        types = [TokenType.NORMAL] * len(tokens)
    numbers = {token: number for number, token in enumerate(tokens)}
    found = [next((numbers[text] for text in row if text in numbers), None) for row in _FILL_IN] + [
        numbers[text] for text in ENDS if text in numbers
    ]
    for number in found:
        if number is not None:
            types[number] |= TokenType.CONTROL
    for text in _CHANNELS:
        if text in numbers:
            types[numbers[text]] = TokenType.USER_DEFINED
    if _ends_by_call(numbers) and "<|end|>" in numbers:
        types[numbers["<|end|>"]] = TokenType.USER_DEFINED
    if "<|tool_response>" in numbers and "</s>" in numbers:
        types[numbers["</s>"]] = TokenType.NORMAL
    return types


def _ends_by_call(numbers: dict[str, int]) -> bool:
    """Whether a turn has parts, which ``<|end|>`` ends, and a call or more ends the turn."""
    call = "<|call|>" in numbers or "<|calls|>" in numbers
    return call and ("<|return|>" in numbers or "<|flush|>" in numbers)
