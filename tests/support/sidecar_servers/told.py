"""What a server of the tests is started with, and the lines by which it tells what it did.

``request ID JSON``, ``abort ID``, and ``dropped ID`` for an answer that was not read to its end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence


def arguments() -> argparse.Namespace:
    """Where to listen, the folder of the protos, and what is served how fast."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--protos", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--delay", type=float, required=True)
    parser.add_argument("--mode", required=True)
    return parser.parse_args()


def say(*words: str) -> None:
    """Writes one line."""
    print(*words, flush=True)


async def echo(
    request_id: str, request: Any, prompt: Sequence[int], most: int, delay: float
) -> AsyncGenerator[int]:
    """The answer to a request: the first ``most`` tokens of the prompt, each after the delay."""
    say("request", request_id, json.dumps(MessageToDict(request)))
    is_whole = False
    try:
        for token in prompt[:most]:
            await asyncio.sleep(delay)
            yield token
        is_whole = True
    finally:
        if not is_whole:
            say("dropped", request_id)
