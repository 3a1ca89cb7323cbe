"""Clients that stream completions from a frontend at once, and clock every event."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import time
from dataclasses import dataclass, field

PROMPT = [4, 5, 6, 7]
OUTPUT = 180
"""Tokens of each answer."""


@dataclass
class Clocked:
    """What the clients saw.

    Attributes:
        tokens: All that came.
        seconds: From the first request to the end of the last answer.
        first: Seconds from each request to its first token.
        between: Seconds between two events of an answer; one has a token, or some.
    """

    tokens: int = 0
    seconds: float = 0.0
    first: list[float] = field(default_factory=list)
    between: list[float] = field(default_factory=list)


async def load(port: int, model: str, streams: int, requests: int) -> Clocked:
    """So many streams at once, each of which sends so many requests, one after another."""
    clocked = Clocked()
    begun = time.monotonic()
    await asyncio.gather(*(_stream(port, model, requests, clocked) for _ in range(streams)))
    clocked.seconds = time.monotonic() - begun
    return clocked


def quantile(values: list[float], share: float) -> float:
    """The least of the values that this share of them does not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


async def _stream(port: int, model: str, requests: int, clocked: Clocked) -> None:
    body = json.dumps(
        {
            "model": model,
            "prompt": PROMPT,
            "max_tokens": OUTPUT,
            "ignore_eos": True,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ).encode()
    head = (
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(requests):
        writer.write(head.encode() + body)
        await _answer(reader, writer, clocked)
    writer.close()


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, clocked: Clocked
) -> None:
    last = time.monotonic()
    times = clocked.first
    usage = b""
    while (line := await reader.readline()) != b"data: [DONE]\n":
        if not line:
            raise RuntimeError("the answer ended before its end")
        if times is clocked.first:
            # The frontend's kernel holds the first event back until the head is acknowledged, and
            # this one's is in no hurry: 40 ms, whoever the worker is.
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        if not line.startswith(b"data: "):
            continue
        if b'"choices":[]' in line:
            usage = line
            continue
        now = time.monotonic()
        times.append(now - last)
        last, times = now, clocked.between
    while await reader.readline() != b"0\r\n":
        pass
    await reader.readline()
    tokens = json.loads(usage[len("data: ") :])["usage"]["completion_tokens"]
    if tokens != OUTPUT:
        raise RuntimeError(f"an answer had {tokens} tokens of {OUTPUT}")
    clocked.tokens += tokens
