"""BPE: text is split by a pre-tokenizer, and pieces are joined in the order of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from .newlines import whole_newlines

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

_BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": False,
}
SPACE = "▁"
"""What stands for a space in vocabularies of characters."""
TO_SPACE = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
FROM_SPACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
BYTES = [TO_SPACE, {"type": "ByteFallback"}, {"type": "Fuse"}]
"""Steps of a decoder for a vocabulary of characters that has bytes by their names."""


def bpe(vocabulary: Vocabulary) -> dict[str, Any]:
    """The parts of `tokenizer.json` for a BPE vocabulary.

    Raises:
        InvalidArgument: A merge makes what is no token.
    """
    recipe, merges = vocabulary.recipe, _merges(vocabulary)
    if recipe.whole_newlines:
        recipe, merges = whole_newlines(recipe, vocabulary.tokens, merges)
    model = bpe_model(vocabulary, merges)
    model["ignore_merges"] = recipe.ignore_merges
    model["byte_fallback"] = not recipe.byte_level
    if recipe.byte_level:
        # Bytes become the characters of the vocabulary only after all splitting.
        steps = [*recipe.splits(), _BYTE_LEVEL]
        normalizer, decoder = None, _BYTE_LEVEL
    else:
        steps = recipe.splits()
        normalizer, decoder = FROM_SPACE, {"type": "Sequence", "decoders": BYTES}
    return {
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        "decoder": decoder,
        "model": model,
    }


def bpe_model(vocabulary: Vocabulary, merges: list[tuple[str, str]]) -> dict[str, Any]:
    """The ``model`` of a vocabulary whose tokens are made by joining pairs."""
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": True,
        "ignore_merges": False,
        "vocab": {token: number for number, token in enumerate(vocabulary.tokens)},
        "merges": [list(pair) for pair in merges],
    }


def _merges(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    """Merges that can be made; one whose parts are never there is left out."""
    tokens = set(vocabulary.tokens)
    found = []
    for left, right in vocabulary.merges:
        if not (_is_there(left, tokens) and _is_there(right, tokens)):
            continue
        if left + right not in tokens or left not in tokens or right not in tokens:
            raise InvalidArgument(
                f"tokenizer.ggml.merges joins {left!r} and {right!r}, and not all of the three are"
                " in tokenizer.ggml.tokens: the two do not belong together. Make the file anew "
                "with llama.cpp's own convert_hf_to_gguf.py, or give --model-name the model's own "
                "folder or hub name"
            )
        found.append((left, right))
    return found


def _is_there(part: str, tokens: set[str]) -> bool:
    # A character that is no token can still be joined to one.
    return part in tokens or len(part) == 1
