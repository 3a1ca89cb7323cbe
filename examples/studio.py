"""Engines that take requests as clients send them: embeddings, images, videos and speech.

    cd examples
    dynamo-backend serve studio:Images --http-port 8000
    curl http://127.0.0.1:8000/v1/images/generations -H 'Content-Type: application/json' \
        -d '{"model": "images", "prompt": "a cat", "size": "64x48"}'

    dynamo-backend serve studio:Embeddings --http-port 8000
    curl http://127.0.0.1:8000/v1/embeddings -H 'Content-Type: application/json' \
        -d '{"model": "embeddings", "input": "a cat"}'

    dynamo-backend serve studio:Videos --http-port 8000
    curl http://127.0.0.1:8000/v1/videos -H 'Content-Type: application/json' \
        -d '{"model": "videos", "prompt": "a cat", "size": "64x48", "seconds": 2}'

    dynamo-backend serve studio:Speech --http-port 8000
    curl http://127.0.0.1:8000/v1/audio/speech -H 'Content-Type: application/json' \
        -d '{"model": "speech", "input": "a cat"}' > cat.wav

No model is behind them: of the prompt they make a colour, or a tone of that pitch. What they
answer with is real: a PNG, an uncompressed video (Y4M) and a WAV.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import math
import struct
import time
import wave
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from dynamo_backend_common import EngineConfig, InvalidArgument, RawEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from dynamo_backend_common import RawChunk, RawRequest, RequestContext, WorkerConfig

MOST_PIXELS = 1024 * 1024
FRAMES_PER_SECOND = 4
SAMPLES_PER_SECOND = 8000


class Studio(RawEngine):
    """What the four have in common."""

    endpoint_type: ClassVar[str]

    def configure(self, config: WorkerConfig) -> WorkerConfig:
        """Names the endpoint, which for each of these is one."""
        return replace(config, endpoint_types=self.endpoint_type)

    async def start(self, worker_id: int) -> EngineConfig:
        """Has nothing to load."""
        return EngineConfig(model=type(self).__name__.lower())

    async def cleanup(self) -> None:
        """Has nothing to release."""


class Embeddings(Studio):
    """Eight numbers for each text. It answers in a thread, as every plain function does."""

    endpoint_type = "embedding"

    def generate(self, request: RawRequest, context: RequestContext) -> RawChunk:
        """Answers one request."""
        return embeddings(request)

    async def health_check_payload(self) -> RawRequest:
        """A request that costs little."""
        return {"model": "embeddings", "input": "is it well?"}


class Images(Studio):
    """As many pictures as were asked for."""

    endpoint_type = "images"

    async def generate(self, request: RawRequest, context: RequestContext) -> RawChunk:
        """Answers one request; what computes does so in a thread."""
        return await asyncio.to_thread(images, request)


class Videos(Studio):
    """A video, and how far it is, where that is streamed."""

    endpoint_type = "videos"

    async def generate(
        self, request: RawRequest, context: RequestContext
    ) -> AsyncIterator[RawChunk]:
        """Answers one request; it looks between two seconds of video whether it is still wanted."""
        width, height = size_of(request)
        seconds = request.get("seconds") or 1
        answer = {"id": context.id, "model": "videos", "created": int(time.time())}
        frames = [f"YUV4MPEG2 W{width} H{height} F{FRAMES_PER_SECOND}:1 C444\n".encode()]
        for second in range(seconds):
            if context.is_stopped():
                return
            made = y4m_frames(colour_of(request["prompt"]), width, height, FRAMES_PER_SECOND)
            frames += await asyncio.to_thread(list, made)
            if request.get("stream"):
                progress = 100 * (second + 1) // (seconds + 1)
                yield answer | {"status": "in_progress", "progress": progress, "data": []}
        video = {"b64_json": encoded(b"".join(frames)), "output_format": "y4m"}
        yield answer | {"data": [video]}


class Speech(Studio):
    """A tone, as long as the text."""

    endpoint_type = "audios"

    async def generate(self, request: RawRequest, context: RequestContext) -> RawChunk:
        """Answers one request; what computes does so in a thread."""
        return await asyncio.to_thread(speech, request)


def embeddings(request: RawRequest) -> RawChunk:
    """Of each text eight numbers."""
    texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
    vectors = [[byte / 255 for byte in digest(text)[:8]] for text in texts]
    words = sum(len(str(text).split()) for text in texts)
    return {
        "object": "list",
        "model": "embeddings",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": words, "total_tokens": words},
    }


def images(request: RawRequest) -> RawChunk:
    """As many pictures as were asked for."""
    width, height = size_of(request)
    picture = png(colour_of(request["prompt"]), width, height)
    return {
        "created": int(time.time()),
        "data": [{"b64_json": encoded(picture)} for _ in range(request.get("n") or 1)],
    }


def speech(request: RawRequest) -> RawChunk:
    """A tone, as long as the text."""
    pitch = 200 + 2 * digest(request["input"])[0]
    samples = SAMPLES_PER_SECOND * max(1, len(request["input"])) // 20
    tone = (math.sin(2 * math.pi * pitch * at / SAMPLES_PER_SECOND) for at in range(samples))
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLES_PER_SECOND)
        file.writeframes(b"".join(struct.pack("<h", int(16000 * sample)) for sample in tone))
    return {
        "id": "speech",
        "model": "speech",
        "created": int(time.time()),
        "data": [{"b64_json": encoded(written.getvalue()), "output_format": "wav"}],
    }


def size_of(request: RawRequest) -> tuple[int, int]:
    """What a request says of width and height; 64 times 48 by default."""
    size = request.get("size") or "64x48"
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) * int(height) > 0):
        raise InvalidArgument(f"size: {size!r} is no size; accepted: such as 64x48")
    if int(width) * int(height) > MOST_PIXELS:
        raise InvalidArgument(f"size: {size!r} has more than {MOST_PIXELS} pixels")
    return int(width), int(height)


def digest(text: Any) -> bytes:
    """Bytes that are the same for the same text."""
    return hashlib.sha256(str(text).encode()).digest()


def colour_of(prompt: str) -> bytes:
    """Red, green and blue."""
    return digest(prompt)[:3]


def png(colour: bytes, width: int, height: int) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + colour * width) * height)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def y4m_frames(colour: bytes, width: int, height: int, count: int) -> Iterator[bytes]:
    """Frames that grow brighter."""
    for number in range(count):
        brightness = bytes([(colour[0] + 16 * number) % 256])
        planes = (brightness, colour[1:2], colour[2:3])
        yield b"FRAME\n" + b"".join(plane * (width * height) for plane in planes)


def encoded(data: bytes) -> str:
    """As JSON can hold it."""
    return base64.b64encode(data).decode()
