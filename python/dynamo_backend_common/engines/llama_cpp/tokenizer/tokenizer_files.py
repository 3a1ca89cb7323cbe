"""`tokenizer.json` and `tokenizer_config.json`, made from a GGUF file's vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from .pretokenizers import pre_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping

_BPE = "gpt2"
# Token types of the format; the others are ordinary text.
_CONTROL, _USER_DEFINED = 3, 4


def tokenizer_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """The tokenizer in the format of the `tokenizers` library.

    Args:
        values: Metadata of the GGUF file.

    Raises:
        InvalidArgument: The kind of tokenizer or its pre-tokenizer is not known, or the vocabulary
            is missing.
    """
    model = values.get("tokenizer.ggml.model")
    if model != _BPE:
        raise InvalidArgument(
            f"tokenizer '{model}' (tokenizer.ggml.model) is not known; known is '{_BPE}', "
            "byte-level BPE. Give --model-name the model's own folder or hub name."
        )
    # llama.cpp takes a missing name as 'default'.
    recipe = pre_tokenizer(values.get("tokenizer.ggml.pre", "default"))
    tokens, merges = _list(values, "tokens"), _list(values, "merges")
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": number, **token} for number, token in _added(values).items()],
        "normalizer": None,
        "pre_tokenizer": recipe.as_json(),
        "post_processor": _post_processor(values, tokens),
        "decoder": {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
            "use_regex": False,
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": recipe.ignore_merges,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": merges,
        },
    }


def tokenizer_config_json(values: Mapping[str, Any], context_length: int) -> dict[str, Any]:
    """Special tokens and chat template, as `transformers` and Dynamo read them.

    Args:
        values: Metadata of the GGUF file.
        context_length: Tokens that the model was trained for.
    """
    tokens = _list(values, "tokens")
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "clean_up_tokenization_spaces": False,
        "add_bos_token": bool(values.get("tokenizer.ggml.add_bos_token", False)),
        "add_eos_token": bool(values.get("tokenizer.ggml.add_eos_token", False)),
        "added_tokens_decoder": {str(number): token for number, token in _added(values).items()},
    }
    for name, key in (
        ("bos_token", "bos_token_id"),
        ("eos_token", "eos_token_id"),
        ("unk_token", "unknown_token_id"),
        ("pad_token", "padding_token_id"),
    ):
        number = values.get(f"tokenizer.ggml.{key}")
        if number is not None:
            config[name] = tokens[number]
    if template := values.get("tokenizer.chat_template"):
        config["chat_template"] = template
    return config


def _list(values: Mapping[str, Any], name: str) -> list[str]:
    found: list[str] | None = values.get(f"tokenizer.ggml.{name}")
    if not found:
        raise InvalidArgument(f"the GGUF file has no vocabulary: tokenizer.ggml.{name} is missing")
    return found


def _added(values: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Tokens that are found in text as a whole, before anything is split."""
    tokens = _list(values, "tokens")
    return {
        number: {
            "content": tokens[number],
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": kind == _CONTROL,
        }
        for number, kind in enumerate(values.get("tokenizer.ggml.token_type", ()))
        if kind in (_CONTROL, _USER_DEFINED)
    }


def _post_processor(values: Mapping[str, Any], tokens: list[str]) -> dict[str, Any] | None:
    """What puts the beginning-of-text token before a prompt, where the model wants one."""
    number = values.get("tokenizer.ggml.bos_token_id")
    if number is None or not values.get("tokenizer.ggml.add_bos_token"):
        return None
    bos = tokens[number]
    special = {"SpecialToken": {"id": bos, "type_id": 0}}
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    return {
        "type": "TemplateProcessing",
        "single": [special, first],
        "pair": [special, first, second],
        "special_tokens": {bos: {"id": bos, "ids": [number], "tokens": [bos]}},
    }
