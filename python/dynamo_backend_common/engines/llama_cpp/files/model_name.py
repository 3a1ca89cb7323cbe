"""What a model is called, by the name of its file."""

from __future__ import annotations

import re

from .shards import without_shard

# SmolLM2-135M-Instruct.Q4_1, Llama-3.2-1B-Instruct-Q4_K_M, model.i1-IQ3_XS, model-UD-Q4_K_XL,
# tinyllama_q8_0, gpt-oss-20b-MXFP4_MOE, model-BF16, model-fp16
_QUANTISATION = re.compile(
    r"[-._]((i\d+|imat|UD)[-.])?"
    r"(T?I?Q\d+(_\w+)?|T?MXFP4(_\w+)?|NVFP4(_\w+)?|BF16|FP?(16|32))$",
    re.IGNORECASE,
)


def model_name(stem: str) -> str:
    """The name of a file without its ending, also without shard and quantisation."""
    whole = without_shard(stem)
    return _QUANTISATION.sub("", whole) or whole
