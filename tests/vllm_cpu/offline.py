"""What vLLM's own ``LLM.generate`` says to prompts, each alone and all as a batch, as JSON.

The argument is a JSON object: ``model``, and ``prompts`` as lists of tokens.
"""

import json
import sys
from typing import Any

from vllm import LLM, SamplingParams


def said(outputs: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "tokens": list(one.outputs[0].token_ids),
            "logprobs": [
                {str(token): logprob.logprob for token, logprob in position.items()}
                for position in one.outputs[0].logprobs
            ],
        }
        for one in outputs
    ]


def main() -> None:
    given = json.loads(sys.argv[1])
    llm = LLM(
        given["model"],
        enforce_eager=True,
        dtype="float32",
        block_size=32,
        max_model_len=256,
        enable_prefix_caching=False,
    )
    params = SamplingParams(temperature=0, max_tokens=24, ignore_eos=True, logprobs=2)
    prompts = [{"prompt_token_ids": tokens} for tokens in given["prompts"]]
    alone = [llm.generate(prompt, params, use_tqdm=False)[0] for prompt in prompts]
    batch = llm.generate(prompts, params, use_tqdm=False)
    print(json.dumps({"alone": said(alone), "batch": said(batch)}), flush=True)


if __name__ == "__main__":
    main()
