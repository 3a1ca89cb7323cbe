"""Waits until a server that was started answers."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


def wait_until_served(
    model: str,
    port: int,
    prompt: list[int],
    *,
    by: subprocess.Popen[bytes],
    log: Path,
    patience: float,
) -> None:
    """Asks a port of this machine for completions until one comes.

    Args:
        model: The model that is asked for.
        port: Where it is asked for.
        prompt: Tokens that the model knows.
        by: The process that is to serve it.
        log: Where that writes to.
        patience: Seconds to wait.

    Raises:
        RuntimeError: None came, or the process has ended; the message has the end of its log.
    """
    body = json.dumps({"model": model, "prompt": prompt, "max_tokens": 1}).encode()
    url = f"http://127.0.0.1:{port}/v1/completions"
    request = Request(url, body, {"Content-Type": "application/json"})
    deadline = time.monotonic() + patience
    while True:
        try:
            with urlopen(request, timeout=60):
                return
        except (URLError, OSError):
            if by.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{log.stem} does not serve {model}: {said}") from None
        time.sleep(0.5)
