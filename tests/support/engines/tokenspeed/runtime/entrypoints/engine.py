import asyncio

from latches import reach


class Engine:
    def __init__(self, server_args):
        self.tokenizer_manager = TokenizerManager()
        self.scheduler_info = {"max_total_num_tokens": 1600, "max_num_seqs": 8}

    def shutdown(self):
        reach("shutdown")


class TokenizerManager:
    """Answers with the prompt; its outputs count as the engine's do."""

    context_len = 2048

    async def generate_request(self, asked):
        for count, token in enumerate(asked.input_ids, 1):
            is_last = count == len(asked.input_ids)
            yield {
                "output_ids": [token],
                "meta_info": {
                    "prompt_tokens": len(asked.input_ids),
                    "completion_tokens": count,
                    "finish_reason": {"type": "stop"} if is_last else None,
                },
            }
            await asyncio.sleep(0)

    def abort_request(self, rid):
        reach("aborted", rid)
