"""Tiny models with random weights, as GGUF files: what llama.cpp loads in milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .gguf_writer import write_gguf

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_WIDTH = 32
_NORMAL_TOKEN, _CONTROL_TOKEN = 1, 3
_SCALE = 0.5


def write_tiny(
    path: Path, *, vocab_size: int, architecture: str = "llama", values: Mapping[str, Any] = {}
) -> Path:
    """Writes a model of one layer, whose tokens are the texts ``a0``, ``a1`` and so on.

    Args:
        path: The file.
        vocab_size: Number of tokens; the first one ends a text.
        architecture: ``llama``, or ``mamba``, which is recurrent.
        values: Metadata that differs.
    """
    vocabulary = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": [f"a{number}" for number in range(vocab_size)],
        "tokenizer.ggml.token_type": [_CONTROL_TOKEN] + [_NORMAL_TOKEN] * (vocab_size - 1),
        "tokenizer.ggml.merges": ["a 0"],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 0,
        "tokenizer.ggml.add_bos_token": False,
    }
    return write_tiny_of(path, {**vocabulary, **values}, architecture=architecture)


def write_tiny_of(path: Path, values: Mapping[str, Any], *, architecture: str = "llama") -> Path:
    """Writes such a model with the vocabulary that ``values`` has."""
    vocab_size = len(values["tokenizer.ggml.tokens"])
    chance = np.random.default_rng(7)

    def weight(*shape: int) -> np.ndarray[Any, Any]:
        return chance.normal(0.0, _SCALE, shape[::-1])

    ones = np.ones(_WIDTH)
    tensors: dict[str, np.ndarray[Any, Any]] = {
        "token_embd.weight": weight(_WIDTH, vocab_size),
        "output_norm.weight": ones,
    }
    layer: dict[str, np.ndarray[Any, Any]] = {"attn_norm.weight": ones}
    own: dict[str, Any] = {"context_length": 512, "embedding_length": _WIDTH, "block_count": 1}
    own |= {"attention.layer_norm_rms_epsilon": 1e-5}
    if architecture == "mamba":
        own |= {"ssm.conv_kernel": 4, "ssm.inner_size": 2 * _WIDTH, "ssm.state_size": 8}
        own |= {"ssm.time_step_rank": 4, "feed_forward_length": 0, "attention.head_count": 0}
        inner = 2 * _WIDTH
        layer |= {
            "ssm_in.weight": weight(_WIDTH, 2 * inner),
            "ssm_conv1d.weight": weight(4, inner),
            "ssm_conv1d.bias": weight(inner),
            "ssm_x.weight": weight(inner, 4 + 2 * 8),
            "ssm_dt.weight": weight(4, inner),
            "ssm_dt.bias": weight(inner),
            "ssm_a": -np.ones((inner, 8)),
            "ssm_d": weight(inner),
            "ssm_out.weight": weight(inner, _WIDTH),
        }
    else:
        own |= {"feed_forward_length": 2 * _WIDTH, "attention.head_count": 2}
        layer |= {f"attn_{name}.weight": weight(_WIDTH, _WIDTH) for name in ("q", "k", "v")}
        layer |= {
            "attn_output.weight": weight(_WIDTH, _WIDTH),
            "ffn_norm.weight": ones,
            "ffn_gate.weight": weight(_WIDTH, 2 * _WIDTH),
            "ffn_up.weight": weight(_WIDTH, 2 * _WIDTH),
            "ffn_down.weight": weight(2 * _WIDTH, _WIDTH),
        }
    tensors |= {f"blk.0.{name}": tensor for name, tensor in layer.items()}
    metadata = {
        "general.architecture": architecture,
        **{f"{architecture}.{name}": value for name, value in own.items()},
        **values,
    }
    return write_gguf(path, metadata, tensors)
