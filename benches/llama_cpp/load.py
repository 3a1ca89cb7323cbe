"""Clients that stream completions at once, and clock every event."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PROMPT, OUTPUT = 192, 48
"""Tokens of each prompt and answer."""

_WORDS = range(1000, 40000)
_SHARED = random.Random(0).choices(_WORDS, k=PROMPT - 24)


def different(seed: int) -> list[int]:
    """A prompt that begins like no other."""
    return random.Random(seed).choices(_WORDS, k=PROMPT)


def shared(seed: int) -> list[int]:
    """A prompt that begins as all of its kind, but for the last tokens."""
    return _SHARED + different(seed)[: PROMPT - len(_SHARED)]


PROMPTS: dict[str, Callable[[int], list[int]]] = {"different": different, "shared": shared}


@dataclass
class Clocked:
    """What the clients saw.

    Attributes:
        tokens: All that came.
        asked: Tokens of all prompts.
        cached: Those of them that were found.
        seconds: From the first request to the end of the last answer.
        first: Seconds from each request to its first token.
    """

    tokens: int = 0
    asked: int = 0
    cached: int = 0
    seconds: float = 0.0
    first: list[float] = field(default_factory=list)


async def load(port: int, prompts: str, clients: int, requests: int, seed: int) -> Clocked:
    """So many clients at once, each of which sends so many requests, one after another."""
    clocked = Clocked()
    begun = time.monotonic()
    numbers = iter(range(seed, seed + clients * requests))
    prompt = PROMPTS[prompts]
    await asyncio.gather(
        *(
            _client(port, [prompt(next(numbers)) for _ in range(requests)], clocked)
            for _ in range(clients)
        )
    )
    clocked.seconds = time.monotonic() - begun
    return clocked


async def _client(port: int, prompts: list[list[int]], clocked: Clocked) -> None:
    for prompt in prompts:
        # A connection each: llama-server ends one whose next request comes while others wait.
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = json.dumps(
            {
                "model": "model",
                "prompt": prompt,
                "max_tokens": OUTPUT,
                "ignore_eos": True,
                "temperature": 0,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
        ).encode()
        head = (
            "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
            f"Connection: close\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await _answer(reader, clocked)
        writer.close()


async def _answer(reader: asyncio.StreamReader, clocked: Clocked) -> None:
    begun, is_first, usage = time.monotonic(), True, None
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"a server answered {status.decode().strip()}")
    while (line := await reader.readline()).strip() != b"data: [DONE]":
        if not line:
            raise RuntimeError("the answer ended before its end")
        if not line.startswith(b"data: "):
            continue
        event = json.loads(line[len(b"data: ") :])
        usage = event.get("usage") or usage
        if is_first and event["choices"]:
            clocked.first.append(time.monotonic() - begun)
            is_first = False
    # The end of the chunks.
    while (await reader.readline()).strip() != b"0":
        pass
    await reader.readline()
    if usage is None or usage["completion_tokens"] != OUTPUT:
        raise RuntimeError(f"an answer is not of {OUTPUT} tokens: {usage}")
    clocked.tokens += OUTPUT
    clocked.asked += usage["prompt_tokens"]
    clocked.cached += (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
