"""What a ``generate`` that yields nothing may return."""

import asyncio
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from dynamo_backend_common._serving.generate import iterable_chunks, returned_chunks

CHUNK = {"data": [1]}


def asynchronous(returned: Any) -> list[Any]:
    async def read() -> list[Any]:
        return [chunk async for chunk in returned_chunks("Mine", returned)]

    return asyncio.run(read())


def synchronous(returned: Any) -> Iterable[Any]:
    return list(iterable_chunks("Mine", returned))


@pytest.mark.parametrize("chunks", [asynchronous, synchronous])
@pytest.mark.parametrize("chunk", [CHUNK, MappingProxyType(CHUNK)])
def test_a_mapping_is_one_chunk(chunks: Any, chunk: Mapping[str, Any]) -> None:
    assert chunks(chunk) == [CHUNK]
    assert chunks([chunk, chunk]) == [CHUNK, CHUNK]


@pytest.mark.parametrize("chunks", [asynchronous, synchronous])
@pytest.mark.parametrize("returned", [None, 3, "text", b"bytes"])
def test_what_is_no_chunk_is_named(chunks: Any, returned: Any) -> None:
    with pytest.raises(TypeError, match=r"Mine\.generate returned .*; it must yield chunks"):
        chunks(returned)
