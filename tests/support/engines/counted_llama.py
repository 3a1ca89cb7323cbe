"""The bundled engine, with a record of how each stream ended."""

from latches import case_of, reach

from dynamo_backend_common.engines.llama_cpp import LlamaCpp


class Counted(LlamaCpp):
    async def generate(self, request, context):
        count = 0
        try:
            async for chunk in super().generate(request, context):
                count += len(chunk["token_ids"])
                yield chunk
        finally:
            if case := case_of(request):
                reach(f"{case}-ended", str(count))
