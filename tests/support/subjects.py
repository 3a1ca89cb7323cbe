"""What is published on subjects of NATS, heard by a client of the tests' own."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import msgpack

from .processes import PATIENCE


@dataclass(frozen=True)
class Message:
    """A message and the subject that it was published on."""

    subject: str
    payload: bytes

    @property
    def event(self) -> Any:
        """What is in it, where it is an event of the event plane."""
        return event_of(self.payload)


def event_of(envelope: bytes) -> Any:
    """The event in an envelope of the event plane."""
    return msgpack.unpackb(msgpack.unpackb(envelope)["payload"])


class Listener:
    """Hears every message of a NATS server from now on; a context manager."""

    def __init__(self, url: str, subject: str = ">") -> None:
        self.messages: list[Message] = []
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port), PATIENCE)
        self._stream = self._socket.makefile("rb")
        self._socket.sendall(f'CONNECT {{"verbose":false}}\r\nSUB {subject} 1\r\nPING\r\n'.encode())
        while self._stream.readline() != b"PONG\r\n":
            pass
        self._socket.settimeout(None)
        self._thread = Thread(target=self._listen, daemon=True)
        self._thread.start()

    def events(self, subject: str) -> list[Any]:
        """The events heard so far whose subject contains ``subject``."""
        return [each.event for each in list(self.messages) if subject in each.subject]

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *raised: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._stream.close()
        self._socket.close()

    def _listen(self) -> None:
        with suppress(OSError):
            for line in self._stream:
                if line == b"PING\r\n":
                    self._socket.sendall(b"PONG\r\n")
                elif told := re.match(rb"MSG (\S+) \S+ (?:\S+ )?(\d+)\r\n", line):
                    payload = self._stream.read(int(told[2]))
                    self._stream.read(2)
                    self.messages.append(Message(told[1].decode(), payload))
