"""Whether a draft model writes the same tokens as the model that it drafts for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....exceptions import InvalidArgument
from .library import library

if TYPE_CHECKING:
    from pathlib import Path

    from .model import Model

# As llama.cpp has it: rows that only fill up the vocabulary may differ, and so may the first
# tokens, which are special ones of other names.
_LARGEST_DIFFERENCE = 128
_FIRST_COMPARED = 5


def require_same_vocabulary(model: Model, draft: Model, path: Path) -> None:
    """Compares two vocabularies as llama.cpp does for speculative decoding.

    Args:
        model: The large model.
        draft: The small one.
        path: The small one's file, for the message.

    Raises:
        InvalidArgument: They differ; the message says where.
    """
    difference = _difference(model, draft)
    if difference is not None:
        raise InvalidArgument(
            f"the draft model '{path.name}' has another vocabulary than the model: {difference}; "
            "give a small model of the same family as --model-draft"
        )


def _difference(model: Model, draft: Model) -> str | None:
    c, pair = library(), (draft.vocabulary, model.vocabulary)
    properties = {
        "its type": c.llama_vocab_type,
        "whether a token begins a text": c.llama_vocab_get_add_bos,
        "whether a token ends a text": c.llama_vocab_get_add_eos,
    }
    if c.llama_vocab_get_add_bos(model.vocabulary):
        properties["the token that begins a text"] = c.llama_vocab_bos
    if c.llama_vocab_get_add_eos(model.vocabulary):
        properties["the token that ends a text"] = c.llama_vocab_eos
    for name, ask in properties.items():
        mine, its = map(ask, pair)
        if mine != its:
            return f"{name} is {mine}, not {its}"
    if abs(draft.vocab_size - model.vocab_size) > _LARGEST_DIFFERENCE:
        return f"it has {draft.vocab_size} tokens, not {model.vocab_size}"
    for token in range(_FIRST_COMPARED, min(draft.vocab_size, model.vocab_size)):
        mine, its = (c.llama_vocab_get_text(vocabulary, token) for vocabulary in pair)
        if mine != its:
            return f"token {token} is {mine!r}, not {its!r}"
    return None
