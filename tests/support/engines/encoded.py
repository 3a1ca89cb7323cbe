"""The engines of ``examples/encoder.py``, which tell the test what they were asked."""

import json

from latches import reach

from encoder import Captions, Encoder


def told(request):
    kept = ("multi_modal_data", "encoder_result")
    return json.dumps({key: request.get(key) for key in kept})


class Told(Encoder):
    async def generate(self, request, context):
        async for chunk in super().generate(request, context):
            yield chunk
        reach("encoded", told(request))


class Captioning(Captions):
    async def generate(self, request, context):
        if request.get("encoder_result"):
            reach("generated", told(request))
        async for chunk in super().generate(request, context):
            yield chunk
