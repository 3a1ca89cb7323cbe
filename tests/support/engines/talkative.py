"""Ends requests in the ways that put something of them into a message."""

import logging

from latches import case_of, passed, reach
from plain import Plain

from dynamo_backend_common import Unknown

logger = logging.getLogger("talkative")


def bad_chunks(prompt, mark):
    """Chunks that no engine may yield, each with what the client sent, or the model wrote."""
    return {
        "text": prompt,
        "list": prompt.split(),
        "object": type("Answer", (), {"__repr__": lambda self: prompt})(),
        "tokens-are-text": {"token_ids": prompt},
        "token-is-text": {"token_ids": [prompt]},
        "tokens-are-object": {"token_ids": {"prompt": prompt}},
        "finish-is-text": {"token_ids": [], "finish_reason": prompt},
        "finish-is-mark": {"token_ids": [], "finish_reason": mark},
        "index-is-text": {"token_ids": [], "index": prompt},
        "log-probs-are-text": {"token_ids": [], "log_probs": [prompt]},
        "usage-is-text": {"token_ids": [], "completion_usage": prompt},
        "usage-has-text": {"token_ids": [], "completion_usage": {"prompt_tokens": prompt}},
        "unknown-key": {"token_ids": [], prompt: 1},
        "key-is-no-text": {"token_ids": [], (prompt,): 1},
        "wrong-shape": {"token_ids": [], "top_logprobs": prompt},
        "wrong-shape-inside": {"token_ids": [], "top_logprobs": [[{"rank": prompt}]]},
        "no-json": {"token_ids": [], "extra_args": {prompt: {1, 2}}},
        "no-json-number": {"token_ids": [], "extra_args": {mark: float("nan")}},
        "wrong-params": {"token_ids": [], "text": {"prompt": prompt}},
        "wrong-tokens": {"token_ids": [], "tokens": [{"prompt": prompt}]},
    }


class Talkative(Plain):
    async def generate(self, request, context):
        case, prompt = case_of(request), " ".join(map(str, request["token_ids"]))
        mark = next(it for it in request["annotations"] if it.startswith("mark:"))[5:]
        prompt = f"{mark} {prompt}"
        match case:
            case "raises":
                raise RuntimeError("the cache is broken")
            case "typed":
                raise Unknown("the cache is broken")
            case "no-terminal":
                yield {"token_ids": request["token_ids"]}
                return
            case "after-terminal":
                yield {"token_ids": [], "finish_reason": "stop"}
                yield {"token_ids": [], "text": prompt}
                return
            case "waits":
                yield {"token_ids": request["token_ids"][:1]}
                reach("waits")
                await passed("never")
            case "" | "fine":
                pass
            case _:
                yield bad_chunks(prompt, mark)[case]
        async for chunk in super().generate(request, context):
            yield chunk
