"""A small encoder of the architecture ``bert``, with weights drawn at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from support.gguf_writer import write_gguf

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = 64
WIDTH = 32
_LAYERS, _INNER = 2, 48
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# A word begins with the mark; what goes on in a word has none.
_TOKENS = [
    *_SPECIAL,
    *(mark + letter for mark in ("\u2581", "") for letter in "abcdefghijklmnopqrstuvwxyz"),
    *("\u2581" + word for word in ("the", "cat", "dog", "sat", "ran")),
]
_CONTROL, _NORMAL = 3, 1


def write_bert(
    path: Path, *, pooling: int | None = 1, is_reranker: bool = False, **more: Any
) -> Path:
    """Writes such a model.

    Args:
        path: The file.
        pooling: llama.cpp's number of how its tokens become one vector; None: it does not say.
        is_reranker: Whether it has a classifier.
        more: More metadata.
    """
    draw = np.random.default_rng(3).normal
    values: dict[str, Any] = {
        "general.architecture": "bert",
        "bert.context_length": CONTEXT,
        "bert.embedding_length": WIDTH,
        "bert.feed_forward_length": _INNER,
        "bert.block_count": _LAYERS,
        "bert.attention.head_count": 4,
        "bert.attention.layer_norm_epsilon": 1e-12,
        "bert.attention.causal": False,
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": _TOKENS,
        "tokenizer.ggml.token_type": [
            _CONTROL if token in _SPECIAL else _NORMAL for token in _TOKENS
        ],
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.cls_token_id": 2,
        "tokenizer.ggml.seperator_token_id": 3,
        "tokenizer.ggml.mask_token_id": 4,
    }
    values |= more
    if pooling is not None:
        values["bert.pooling_type"] = pooling
    shapes = {
        "token_embd": (len(_TOKENS), WIDTH),
        "token_types": (2, WIDTH),
        "position_embd": (CONTEXT, WIDTH),
        "token_embd_norm": (WIDTH,),
    }
    for layer in range(_LAYERS):
        shapes |= {
            f"blk.{layer}.{name}": shape
            for name, shape in {
                "attn_q": (WIDTH, WIDTH),
                "attn_k": (WIDTH, WIDTH),
                "attn_v": (WIDTH, WIDTH),
                "attn_output": (WIDTH, WIDTH),
                "attn_output_norm": (WIDTH,),
                "ffn_up": (_INNER, WIDTH),
                "ffn_down": (WIDTH, _INNER),
                "layer_output_norm": (WIDTH,),
            }.items()
        }
    if is_reranker:
        shapes |= {"cls": (WIDTH, WIDTH), "cls.output": (1, WIDTH)}
    tensors = {}
    for name, shape in shapes.items():
        mean = 1.0 if name.endswith("_norm") else 0.0
        tensors[f"{name}.weight"] = draw(mean, 0.2, shape)
        if "embd" not in name.removesuffix("_norm") and name != "token_types":
            tensors[f"{name}.bias"] = draw(0, 0.1, shape[:1])
    tensors["token_embd_norm.bias"] = draw(0, 0.1, (WIDTH,))
    return write_gguf(path, values, tensors)
