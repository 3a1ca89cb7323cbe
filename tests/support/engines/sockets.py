"""An engine that looks at the sockets of its process."""

import json
import os
import socket
from contextlib import suppress
from pathlib import Path

from latches import reach
from plain import Plain


def accepted():
    """For each port that is listened on, ``TCP_NODELAY`` of the sockets accepted there."""
    listeners, connected = set(), []
    for entry in list(Path("/proc/self/fd").iterdir()):
        with suppress(OSError), socket.socket(fileno=os.dup(int(entry.name))) as found:
            port = found.getsockname()[1] if found.family == socket.AF_INET else None
            if port and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                listeners.add(port)
            elif port:
                connected.append((port, found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
    return {port: [bool(option) for at, option in connected if at == port] for port in listeners}


class Looking(Plain):
    async def generate(self, request, context):
        reach("sockets", json.dumps(accepted()))
        async for chunk in super().generate(request, context):
            yield chunk
