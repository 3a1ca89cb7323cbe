"""The tiny model, and how vLLM on a CPU serves it."""

from __future__ import annotations

from .frontend import CACHE

MODEL = CACHE / "models" / "tiny-llama"
BLOCK = 32
CONTEXT = 256
# Enough of a precision that a batch's other requests do not matter to a token.
ENGINE = (
    *("--enforce-eager", "--dtype", "float32"),
    *("--block-size", str(BLOCK), "--max-model-len", str(CONTEXT)),
)
LOADING = 300.0
"""Seconds that a start may take: three processes import torch, and others may do it too."""
