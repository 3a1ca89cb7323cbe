"""`tokenizer.json` and `tokenizer_config.json`, made from a GGUF file's vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .bpe import bpe
from .overlaps import refuse_overlaps
from .sentencepiece import sentencepiece
from .unigram import unigram
from .vocabulary import Kind, Vocabulary
from .whole_tokens import added_tokens
from .wordpiece import wordpiece

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PARTS: dict[Kind, Callable[[Vocabulary], dict[str, Any]]] = {
    Kind.BPE: bpe,
    Kind.SENTENCEPIECE: sentencepiece,
    Kind.WORDPIECE: wordpiece,
    Kind.UNIGRAM: unigram,
}


def tokenizer_json(vocabulary: Vocabulary) -> dict[str, Any]:
    """The tokenizer in the format of the `tokenizers` library.

    Raises:
        InvalidArgument: The format cannot express what llama.cpp does with this vocabulary.
    """
    refuse_overlaps(vocabulary)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, **token} for number, token in added_tokens(vocabulary).items()
        ],
        "post_processor": _post_processor(vocabulary),
        **_PARTS[vocabulary.kind](vocabulary),
    }


def tokenizer_config_json(
    vocabulary: Vocabulary, *, context_length: int, chat_template: str | None
) -> dict[str, Any]:
    """Special tokens and chat template, as `transformers` and Dynamo read them.

    Args:
        vocabulary: The vocabulary.
        context_length: Tokens that the model was trained for.
        chat_template: The template; None where the model has none.
    """
    special = vocabulary.special
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "clean_up_tokenization_spaces": False,
        "add_bos_token": special.add_bos,
        "add_eos_token": special.add_eos,
        "added_tokens_decoder": {
            str(number): token for number, token in added_tokens(vocabulary).items()
        },
    }
    for name, number in (
        ("bos_token", special.bos),
        ("eos_token", special.eos),
        ("unk_token", special.unk),
        ("sep_token", special.sep),
        ("pad_token", special.pad),
    ):
        if number is not None:
            config[name] = vocabulary.tokens[number]
    if chat_template is not None:
        config["chat_template"] = chat_template
    return config


def _post_processor(vocabulary: Vocabulary) -> dict[str, Any] | None:
    """What puts special tokens around a text, where the model wants them."""
    special = vocabulary.special
    before = [special.bos] if special.add_bos else []
    behind = [special.eos] if special.add_eos else []
    if vocabulary.kind is Kind.WORDPIECE:
        # It has no say in it: both, always, and its end is the separator.
        before, behind = [special.bos], [special.sep]
    first, last = (
        [number for number in numbers if number is not None] for numbers in (before, behind)
    )
    if not first and not last:
        return None
    single = [*_places(vocabulary, first), _text("A"), *_places(vocabulary, last)]
    tokens = {vocabulary.tokens[number]: number for number in (*first, *last)}
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, _text("B"), *_places(vocabulary, last)],
        "special_tokens": {
            token: {"id": token, "ids": [number], "tokens": [token]}
            for token, number in tokens.items()
        },
    }


def _places(vocabulary: Vocabulary, numbers: Sequence[int]) -> list[dict[str, Any]]:
    return [{"SpecialToken": {"id": vocabulary.tokens[number], "type_id": 0}} for number in numbers]


def _text(name: str) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": 0}}
