"""What a worker publishes on the event plane, as a subscriber of the ZMQ plane sees it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import zmq

from .processes import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .launcher import Launcher


class EventPlane:
    """A subscription to the only worker's KV events; a context manager that ends it."""

    def __init__(self, launcher: Launcher) -> None:
        [channel] = discovered(launcher, "event_channels", 1, topic="kv-events")
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.subscribe(b"")
        monitor = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self._socket.connect(channel["transport"]["config"]["endpoint"])
        monitor.recv_multipart()
        self._socket.disable_monitor()
        monitor.close()
        # The publisher reads of the subscription after the handshake, and tells nobody when.
        time.sleep(0.5)
        self._socket.rcvtimeo = int(PATIENCE * 1000)

    def messages_until_told_of(self, last: int) -> int:
        """Receives until the hash came by; returns how many messages that took."""
        number = 1
        while last.to_bytes(8, "big") not in b"".join(self._socket.recv_multipart()):
            number += 1
        return number

    def until_told_of(self, hashes: Iterable[int]) -> list[int]:
        """Receives until each of the hashes came by; returns them in the order of arrival."""
        missing = {number.to_bytes(8, "big"): number for number in hashes}
        told = []
        while missing:
            message = b"".join(self._socket.recv_multipart())
            windows = (message[start : start + 8] for start in range(len(message)))
            told += [missing.pop(window) for window in windows if window in missing]
        return told

    def until_told_that(self, what: str) -> None:
        """Receives until an event of this kind came by, such as ``removed``."""
        while what.encode() not in b"".join(self._socket.recv_multipart()):
            pass

    def __enter__(self) -> EventPlane:
        return self

    def __exit__(self, *raised: object) -> None:
        self._socket.close()
        self._context.term()


def discovered(launcher: Launcher, kind: str, number: int, **wanted: str) -> list[dict[str, Any]]:
    """What is in discovery of that kind and with these values, as soon as there is that much."""
    folder = launcher.folder / "discovery" / "v1" / kind

    def entries() -> list[dict[str, Any]]:
        # What begins with a dot is not written yet.
        found = [json.loads(path.read_text()) for path in sorted(folder.glob("[!.]*"))]
        return [entry for entry in found if wanted.items() <= entry.items()]

    until(lambda: len(entries()) == number, f"{number} {kind} in discovery {wanted or ''}")
    return entries()
