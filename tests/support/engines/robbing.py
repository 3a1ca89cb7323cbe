"""An engine that listens, while it loads, where the frontend will want to."""

import socket

from lifecycles import Recorded


class TakesThePort(Recorded):
    def __init__(self, port):
        self.port = port

    @classmethod
    def from_args(cls, argv):
        return cls(int(*argv))

    async def start(self, worker_id):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        return await super().start(worker_id)
