"""`config.json` and `generation_config.json`, made from a GGUF file's metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

# Name in ``general.architecture`` to the class of `transformers`, where it is not formed from it.
_CLASSES = {
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "gpt2": "GPT2LMHeadModel",
    "mpt": "MPTForCausalLM",
}
# Key of `config.json` to key of the metadata, below the architecture's name.
_SIZES = {
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "rope_theta": "rope.freq_base",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
}
# Key of `generation_config.json` to key of the metadata, below ``general.sampling``.
_SAMPLING = {
    "temperature": "temp",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "penalty_repeat",
}


def context_length(values: Mapping[str, Any]) -> int:
    """Tokens that the model was trained for.

    Raises:
        InvalidArgument: The metadata does not say.
    """
    key = f"{_architecture(values)}.context_length"
    length = values.get(key)
    if not isinstance(length, int) or length < 1:
        raise InvalidArgument(f"the GGUF file does not give its context length: {key} is missing")
    return length


def config_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Architecture and sizes, as `transformers` and Dynamo read them."""
    architecture = _architecture(values)
    name = _CLASSES.get(architecture, f"{architecture.title().replace('-', '')}ForCausalLM")
    config: dict[str, Any] = {
        "architectures": [name],
        "model_type": architecture,
        "max_position_embeddings": context_length(values),
        "vocab_size": len(values["tokenizer.ggml.tokens"]),
    }
    for key, source in _SIZES.items():
        size = values.get(f"{architecture}.{source}")
        if size is not None:
            config[key] = size
    return config | _token_ids(values)


def generation_config_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens that begin and end a text, and the sampling that the model's makers recommend."""
    return _token_ids(values) | sampling_defaults(values)


def sampling_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Sampling options of the metadata (``general.sampling.…``), by their names in a request."""
    found = {key: values.get(f"general.sampling.{source}") for key, source in _SAMPLING.items()}
    return {key: value for key, value in found.items() if value is not None}


def _architecture(values: Mapping[str, Any]) -> str:
    name = values.get("general.architecture")
    if not isinstance(name, str):
        raise InvalidArgument("the GGUF file names no architecture: general.architecture")
    return name


def _token_ids(values: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        name: values[f"tokenizer.ggml.{name}"]
        for name in ("bos_token_id", "eos_token_id")
        if f"tokenizer.ggml.{name}" in values
    }
    # A chat model may end a turn with another token than a text.
    ends = [
        values[key]
        for name in ("eos", "eot", "eom")
        if (key := f"tokenizer.ggml.{name}_token_id") in values
    ]
    if len(set(ends)) > 1:
        found["eos_token_id"] = list(dict.fromkeys(ends))
    return found
