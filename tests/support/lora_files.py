"""LoRA adapters for a small model of the architecture ``llama``, with weights drawn at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from support.gguf_writer import write_gguf

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_RANK = 4
_ADAPTER = {
    "general.type": "adapter",
    "general.architecture": "llama",
    "adapter.type": "lora",
    "adapter.lora.alpha": 8.0,
}


def write_lora(path: Path, model: Mapping[str, Any], seed: int, **values: Any) -> Path:
    """Writes an adapter that changes what the model says.

    Args:
        path: The file.
        model: The metadata of the model that it is for.
        seed: Of its weights.
        values: Metadata that is to be otherwise; None: missing. Dots are written as ``__``.
    """
    draw = np.random.default_rng(seed).normal
    width, inner = model["llama.embedding_length"], model["llama.feed_forward_length"]
    tensors = {}
    for layer in range(model["llama.block_count"]):
        for name, taken, made in (("attn_q", width, width), ("ffn_down", inner, width)):
            weight = f"blk.{layer}.{name}.weight"
            tensors[f"{weight}.lora_a"] = draw(0, 0.08, (_RANK, taken))
            tensors[f"{weight}.lora_b"] = draw(0, 0.08, (made, _RANK))
    metadata = _ADAPTER | {key.replace("__", "."): value for key, value in values.items()}
    found = {key: value for key, value in metadata.items() if value is not None}
    return write_gguf(path, found, tensors)
