"""The bundled engine, with a record of when each stream ended: how many steps were made by then."""

import asyncio

from latches import case_of, reach

from dynamo_backend_common.engines.llama_cpp import LlamaCpp


class Counted(LlamaCpp):
    def __init__(self, **options):
        super().__init__(**options)
        self.watches = set()

    async def generate(self, request, context):
        stream = await super().generate(request, context)
        if case := case_of(request):
            self.watches.add(asyncio.create_task(self.watch(case, context)))
        return stream

    async def watch(self, case, context):
        await context.stopped()
        reach(f"{case}-ended", str(self.load.steps))
