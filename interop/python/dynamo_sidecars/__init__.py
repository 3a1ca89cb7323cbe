"""The reference's sidecars for vLLM, SGLang and TensorRT-LLM, as engines of dynamo-backend-common.

A sidecar talks gRPC to a server that runs the model. `vllm`, `sglang` and `trtllm` make one of its
command-line arguments, which are the reference's own::

    dynamo-backend serve dynamo_sidecars:vllm -- --grpc-endpoint 127.0.0.1:50051

In a program: ``Worker(dynamo_sidecars.vllm(["--grpc-endpoint", "127.0.0.1:50051"])).run()``.
"""

from .sidecar import Sidecar, sglang, trtllm, vllm

__all__ = ["Sidecar", "sglang", "trtllm", "vllm"]
