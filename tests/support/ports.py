"""Loopback ports that nobody else gets."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


class Ports:
    """Hands out free ports and keeps them until it is closed.

    A port stays bound here, without listening: no other program is given it, while a server that
    sets ``SO_REUSEADDR``, as all of ours do, can listen on it.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def reserve(self) -> int:
        """A port of 127.0.0.1 that is free and stays so."""
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((LOOPBACK, 0))
        self._held.append(holder)
        port: int = holder.getsockname()[1]
        return port

    def occupy(self) -> int:
        """A port of 127.0.0.1 that somebody already listens on."""
        port = self.reserve()
        self._held[-1].listen()
        return port

    def close(self) -> None:
        """Gives all ports back."""
        while self._held:
            self._held.pop().close()
