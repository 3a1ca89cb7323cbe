"""A llama of random weights that loads at once, with any vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .gguf_writer import write_gguf

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_WIDTH, _HEADS, _INNER = 32, 4, 64
_SIZES = {
    "llama.context_length": 512,
    "llama.embedding_length": _WIDTH,
    "llama.block_count": 1,
    "llama.feed_forward_length": _INNER,
    "llama.attention.head_count": _HEADS,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.rope.dimension_count": _WIDTH // _HEADS,
}
_SHAPES = {
    "attn_q": (_WIDTH, _WIDTH),
    "attn_k": (_WIDTH, _WIDTH),
    "attn_v": (_WIDTH, _WIDTH),
    "attn_output": (_WIDTH, _WIDTH),
    "ffn_gate": (_INNER, _WIDTH),
    "ffn_up": (_INNER, _WIDTH),
    "ffn_down": (_WIDTH, _INNER),
}


def write_tiny_llama(path: Path, values: Mapping[str, Any]) -> Path:
    """Writes a model with the vocabulary of ``values``."""
    draw = np.random.default_rng(7)
    size = len(values["tokenizer.ggml.tokens"])
    tensors = {"token_embd.weight": draw.normal(size=(size, _WIDTH))}
    tensors["output_norm.weight"] = np.ones(_WIDTH)
    for name in ("attn_norm", "ffn_norm"):
        tensors[f"blk.0.{name}.weight"] = np.ones(_WIDTH)
    for name, shape in _SHAPES.items():
        tensors[f"blk.0.{name}.weight"] = draw.normal(size=shape)
    return write_gguf(path, {**values, **_SIZES}, tensors)
