"""What a process listens on, as the kernel says."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from pathlib import Path

_LISTENS = "0A"


def listening(pid: int) -> set[tuple[str, int]]:
    """Address and port of each TCP socket of the process that listens."""
    folder = Path(f"/proc/{pid}")
    own = set()
    for descriptor in (folder / "fd").iterdir():
        with suppress(OSError):
            own.add(str(descriptor.readlink()))
    found = set()
    for name in ("tcp", "tcp6"):
        for line in (folder / "net" / name).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS and f"socket:[{fields[9]}]" in own:
                address, port = fields[1].split(":")
                found.add((_shown(address), int(port, 16)))
    return found


def _shown(address: str) -> str:
    words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
    packed = b"".join(struct.pack("=I", word) for word in words)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
