"""A hub on this machine that has one model, and tells what was asked of it."""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING

from .ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves the files of ``folder`` as the repository ``name``; a context manager.

    Attributes:
        url: What ``HF_ENDPOINT`` is to be.
        asked: The files that were asked for.
        goes_on: Whether files are sent to their end; else each stops in its middle.
        token: Without it nothing is given; None: to everybody.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.asked: set[str] = set()
        self.goes_on = Event()
        self.goes_on.set()
        self.token: str | None = None
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler(folder, name))
        self._thread = Thread(target=self._server.serve_forever)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"

    def __enter__(self) -> Hub:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.goes_on.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self, folder: Path, name: str) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                self.is_of_a_file = "/resolve/" in path
                given = self.headers.get("Authorization")
                if hub.token is not None and given != f"Bearer {hub.token}":
                    self.answer(401, b"{}", **{"X-Error-Code": "RepoNotFound"})
                elif path.startswith(f"/api/models/{name}"):
                    files = [{"rfilename": file.name} for file in folder.iterdir()]
                    told = {"id": name, "sha": COMMIT, "siblings": files}
                    self.answer(200, json.dumps(told).encode())
                elif path.startswith(f"/{name}/resolve/"):
                    file = folder / path.rsplit("/", 1)[1]
                    hub.asked.add(file.name)
                    self.file(file)
                else:
                    self.answer(404, b"{}")

            def file(self, file: Path) -> None:
                if not file.exists():
                    self.answer(404, b"{}")
                    return
                content = file.read_bytes()
                first, _, last = self.headers.get("Range", "bytes=0-")[6:].partition("-")
                end = min(int(last or len(content)), len(content) - 1)
                part = content[int(first) : end + 1]
                etag = hashlib.sha256(content).hexdigest()
                self.answer(
                    206 if "Range" in self.headers else 200,
                    part,
                    ETag=f'"{etag}"',
                    **{
                        "Content-Range": f"bytes {first}-{end}/{len(content)}",
                        "X-Repo-Commit": COMMIT,
                    },
                )

            def answer(self, status: int, content: bytes, **headers: str) -> None:
                self.send_response(status)
                for header, value in headers.items():
                    self.send_header(header, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command == "HEAD":
                    return
                half = len(content) // 2
                try:
                    self.wfile.write(content[:half])
                    if self.is_of_a_file:
                        hub.goes_on.wait()
                    self.wfile.write(content[half:])
                except ConnectionError:
                    # Whoever asked has gone.
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        return Handler
