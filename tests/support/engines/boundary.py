"""Records what an engine sees: the request, the context, and in which task it runs."""

import asyncio
import json
import threading
from contextvars import ContextVar

from latches import case_of, passed, reach
from plain import Plain

REQUEST = ContextVar("REQUEST", default="nobody's")


class Boundary(Plain):
    async def start(self, worker_id):
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        reach("worker-id", json.dumps(worker_id))
        return await super().start(worker_id)

    async def generate(self, request, context):
        name = case_of(request)
        reach(f"request-{name}", json.dumps(request, default=list))
        reach(
            f"context-{name}",
            json.dumps(
                {
                    "id": context.id,
                    "metadata": context.metadata,
                    "stopped": context.is_stopped(),
                    "killed": context.is_killed(),
                    "type": type(context).__name__,
                }
            ),
        )
        before = REQUEST.get()
        REQUEST.set(context.id)
        tasks, values = set(), []
        for step in range(4):
            tasks.add(asyncio.current_task())
            values.append(REQUEST.get() == context.id)
            yield {"token_ids": request["token_ids"][:1]}
            # The other request runs between the steps of this one.
            reach(f"step-{name}-{step}")
            if name in ("left", "right"):
                await passed(f"step-{'left' if name == 'right' else 'right'}-{step}")
        values.append(REQUEST.get() == context.id)
        tasks.add(asyncio.current_task())
        reach(
            f"identity-{name}",
            json.dumps(
                {
                    "before": before,
                    "tasks": len(tasks),
                    "values": values,
                    "loop": asyncio.get_running_loop() is self.loop,
                    "thread": threading.get_ident() == self.thread,
                }
            ),
        )
        yield {"token_ids": [], "finish_reason": "stop"}
