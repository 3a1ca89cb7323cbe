"""The tokens that begin and end a text, and which of them are added to one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecialTokens:
    """Numbers of special tokens; None where there is none.

    Attributes:
        bos: Begins a text.
        eos: Ends a text.
        eot: Ends a turn.
        eom: Ends a message that a tool answers.
        unk: Stands for what has no token.
        sep: Separates texts.
        pad: Fills up.
        add_bos: Whether a text gets `bos` before it.
        add_eos: Whether a text gets `eos` behind it.
        add_sep: Whether a text gets `sep` behind it.
    """

    bos: int | None
    eos: int | None
    eot: int | None
    eom: int | None
    unk: int | None
    sep: int | None
    pad: int | None
    add_bos: bool
    add_eos: bool
    add_sep: bool

    @property
    def ends(self) -> list[int]:
        """Numbers that end a text or a turn, each once."""
        found = (self.eos, self.eot, self.eom)
        return list(dict.fromkeys(number for number in found if number is not None))


_KEYS = {
    "bos": "bos_token_id",
    "eos": "eos_token_id",
    "eot": "eot_token_id",
    "eom": "eom_token_id",
    "unk": "unknown_token_id",
    "sep": "seperator_token_id",  # spelt like this in the format
    "pad": "padding_token_id",
}
# Numbers where the file has none, by ``tokenizer.ggml.model``. llama.cpp also takes 11 as the
# beginning and the end of every BPE vocabulary: that was Falcon's, and text in all others.
_DEFAULTS: dict[str, dict[str, int]] = {
    "llama": {"bos": 1, "eos": 2, "unk": 0},
    "bert": {"bos": 101, "unk": 100, "sep": 102, "pad": 0},
    "t5": {"eos": 1, "unk": 2, "pad": 0},
}
# Which are added where the file does not say.
_ADDED = {"llama": {"bos"}, "bert": {"bos", "sep"}, "t5": {"eos"}}


def read_special_tokens(
    values: Mapping[str, Any], *, size: int, kind: str, begins: bool
) -> SpecialTokens:
    """Reads them from a GGUF file's metadata.

    Args:
        values: The metadata.
        size: Number of tokens of the vocabulary; a number out of it is not used.
        kind: ``tokenizer.ggml.model``.
        begins: Whether the file's pre-tokenizer belongs to models that want a beginning.
    """
    defaults = _DEFAULTS.get(kind, {})
    numbers = {name: _number(values, key, size, defaults.get(name)) for name, key in _KEYS.items()}
    added = _ADDED.get(kind, {"bos"} if begins else set())
    adds = {
        f"add_{name}": bool(values.get(f"tokenizer.ggml.add_{name}_token", name in added))
        and numbers[name] is not None
        for name in ("bos", "eos", "sep")
    }
    return SpecialTokens(**numbers, **adds)  # type: ignore[arg-type]  # names as in the class


def _number(values: Mapping[str, Any], key: str, size: int, default: int | None) -> int | None:
    if default is not None and default >= size:
        default = None
    number = values.get(f"tokenizer.ggml.{key}")
    if number is None:
        return default
    if isinstance(number, int) and 0 <= number < size:
        return number
    logger.warning(
        "tokenizer.ggml.%s is %r, which is no token of %d: %s",
        *(key, number, size),
        "not used" if default is None else f"{default} is used",
    )
    return default
