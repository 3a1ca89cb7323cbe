"""A client that takes little at a time: what it does not take stays with whoever sends."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .api import DONE
from .ports import LOOPBACK
from .processes import PATIENCE

if TYPE_CHECKING:
    from types import TracebackType

    from .api import Api

_BUFFER = 4096


class SlowClient:
    """A stream of a completion that is read when the test says so; a context manager."""

    def __init__(self, api: Api, prompt: list[int], **options: Any) -> None:
        content = json.dumps(api.body_of_completion(prompt, stream=True, **options))
        self._socket = socket.socket()
        self._socket.settimeout(PATIENCE)
        # Before the connection exists: it is the window that the other side gets.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.connect((LOOPBACK, api.port))
        head = (
            "POST /v1/completions HTTP/1.1",
            f"Host: {LOOPBACK}",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            "Connection: close",
        )
        self._socket.sendall("\r\n".join([*head, "", content]).encode())

    def read(self) -> str:
        """A little of the answer, as soon as there is some."""
        return self._socket.recv(_BUFFER).decode(errors="replace")

    def is_whole(self) -> bool:
        """Reads the rest; whether the stream ended as it should."""
        last = b""
        while read := self._socket.recv(1 << 20):
            last = (last + read)[-100:]
        return DONE.encode() in last and last.endswith(b"0\r\n\r\n")

    def __enter__(self) -> SlowClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()


def longest_token(model_folder: str) -> int:
    """The token that is most text."""
    vocabulary = json.loads((Path(model_folder) / "tokenizer.json").read_text())["model"]["vocab"]
    return int(vocabulary[max(vocabulary, key=len)])
