"""An engine with LoRA adapters, whose tokens are those of the adapter that a request names."""

from plain import Plain

from dynamo_backend_common import EngineConfig


class Adapted(Plain):
    """Its controls ``load_lora`` and ``unload_lora`` take a ``name``."""

    async def start(self, worker_id):
        self.asked = []
        return EngineConfig(model=self.model, context_length=2048, max_gpu_lora_count=3)

    async def on_adapter_cards(self, cards):
        self.cards = cards

    async def supported_controls(self):
        return ["load_lora", "unload_lora", "asked"]

    async def engine_control(self, name, body):
        if name == "asked":
            return {"asked": self.asked}
        await getattr(self.cards, {"load_lora": "publish", "unload_lora": "withdraw"}[name])(
            body["name"]
        )
        return {"status": "ok"}

    async def generate(self, request, context):
        self.asked.append((request.get("routing") or {}).get("lora_name"))
        async for chunk in super().generate(request, context):
            yield chunk


class Refusing(Adapted):
    async def on_adapter_cards(self, cards):
        raise RuntimeError("no cards")
