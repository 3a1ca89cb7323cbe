"""Starts vLLM with the model of the folder that the argument names, and generates eight tokens."""

import asyncio
import sys
import time

from vllm import SamplingParams, TokensPrompt, __version__
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.async_llm import AsyncLLM

TOKENS = 8


async def main(model: str) -> None:
    begun = time.monotonic()
    engine = AsyncLLM.from_engine_args(
        AsyncEngineArgs(
            model=model,
            skip_tokenizer_init=True,
            enforce_eager=True,
            dtype="bfloat16",
            block_size=32,
            max_model_len=256,
        )
    )
    started = time.monotonic() - begun
    parameters = SamplingParams(
        max_tokens=TOKENS,
        ignore_eos=True,
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
    )
    tokens: list[int] = []
    try:
        prompt = TokensPrompt(prompt_token_ids=[4, 5, 6, 7])
        async for output in engine.generate(prompt, parameters, request_id="only"):
            tokens += output.outputs[0].token_ids
    finally:
        ending = time.monotonic()
        engine.shutdown()
    print(
        f"vLLM {__version__} started in {started:.0f} s, generated {tokens}, and ended in"
        f" {time.monotonic() - ending:.0f} s"
    )
    assert len(tokens) == TOKENS


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
