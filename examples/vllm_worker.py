"""Serves a model with vLLM, its arguments given in Python: those of vLLM's ``AsyncEngineArgs``.

    pip install vllm==0.32.0
    python examples/vllm_worker.py Qwen/Qwen3-0.6B 8000

`dynamo-backend serve vllm --http-port 8000 -- --model Qwen/Qwen3-0.6B` does the same by itself;
docs/vllm.md has more of it.
"""

import sys

from dynamo_backend_common import Worker
from dynamo_backend_common.engines.vllm import Vllm

# vLLM starts its engine core as a process that imports this module.
if __name__ == "__main__":
    model, port = sys.argv[1:]
    engine = Vllm(model=model, max_model_len=256, enforce_eager=True)
    Worker(engine, http_port=int(port)).run()
