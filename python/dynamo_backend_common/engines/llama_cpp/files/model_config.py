"""`config.json` and `generation_config.json`, made from a GGUF file's metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..tokenizer.vocabulary import Vocabulary

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
# Architectures that encode a text, alone or for a decoder of their own.
_ENCODERS = frozenset(
    (
        *("bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert"),
        *("neo-bert", "eurobert", "t5", "t5encoder", "gemma-embedding", "wavtokenizer-dec"),
    )
)


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


def config_json(values: Mapping[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
    """Architecture and sizes, as `transformers` and Dynamo read them."""
    architecture = _architecture(values)
    name = _CLASSES.get(architecture, f"{architecture.title().replace('-', '')}ForCausalLM")
    config: dict[str, Any] = {
        "architectures": [name],
        "model_type": architecture,
        "max_position_embeddings": context_length(values),
        "vocab_size": len(vocabulary.tokens),
    }
    for key, source in _SIZES.items():
        size = values.get(f"{architecture}.{source}")
        if isinstance(size, list):
            # One for each layer; those without attention have 0.
            size = max(size, default=None)
        if size is not None:
            config[key] = size
    return config | _token_ids(vocabulary)


def generation_config_json(values: Mapping[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
    """Tokens that begin and end a text, and the sampling that the model's makers recommend."""
    return _token_ids(vocabulary) | sampling_defaults(values)


def sampling_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Sampling options of the metadata (``general.sampling.…``), by their names in a request."""
    found = {key: values.get(f"general.sampling.{source}") for key, source in _SAMPLING.items()}
    return {key: value for key, value in found.items() if value is not None}


def refuse_other_models(values: Mapping[str, Any]) -> None:
    """Refuses a file that is no model which continues a text.

    Raises:
        InvalidArgument: It is a part of a model, or a model of another kind.
    """
    architecture = _architecture(values)
    kind = values.get("general.type", "model")
    if kind != "model" or architecture == "clip":
        raise InvalidArgument(
            f"it is no model by itself, but for one ({architecture}, general.type {kind}): give the"
            " file of the model"
        )
    if architecture in _ENCODERS or values.get(f"{architecture}.attention.causal") is False:
        raise InvalidArgument(
            f"it reads a text and does not continue one: '{architecture}' (general.architecture) "
            "is an encoder, which is served with --embeddings or --reranking"
        )


def _architecture(values: Mapping[str, Any]) -> str:
    name = values.get("general.architecture")
    if not isinstance(name, str):
        raise InvalidArgument("the GGUF file names no architecture: general.architecture")
    return name


def _token_ids(vocabulary: Vocabulary) -> dict[str, Any]:
    special = vocabulary.special
    found: dict[str, Any] = {}
    if special.bos is not None:
        found["bos_token_id"] = special.bos
    # A chat model may end a turn with another token than a text.
    if ends := special.ends:
        found["eos_token_id"] = ends if len(ends) > 1 else ends[0]
    return found
