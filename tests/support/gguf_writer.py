"""Writes small GGUF files: metadata, and tensors of 32-bit floats."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

_INT8, _UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 1, 4, 5, 6, 7, 8, 9
_F32 = 0
_ALIGNMENT = 32


def write_gguf(
    path: Path,
    values: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray[Any, Any]] | None = None,
) -> Path:
    """Writes a file of version 3.

    Args:
        path: The file; one that is there is replaced.
        values: Metadata: int (UINT32; negative or in a list INT32), float (FLOAT32), bool, str, or
            a list of these; an empty one is one of str. Bytes are a list of INT8. What is None is
            left out. A lone surrogate of a str is a byte that is no UTF-8 (``surrogateescape``).
        tensors: Name to array; the last axis of an array is the first dimension of the format.

    Returns:
        The path.
    """
    tensors = tensors or {}
    values = {key: value for key, value in values.items() if value is not None}
    head = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values)))
    for key, value in values.items():
        head += _string(key) + _value(value)
    data = bytearray()
    for name, array in tensors.items():
        shape = array.shape[::-1]
        head += _string(name) + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}QIQ", *shape, _F32, len(data))
        data += _padded(array.astype("<f4").tobytes())
    path.write_bytes(_padded(bytes(head)) + bytes(data))
    return path


def _string(text: str) -> bytes:
    encoded = text.encode(errors="surrogateescape")
    return struct.pack("<Q", len(encoded)) + encoded


def _value(value: Any) -> bytes:
    if isinstance(value, bytes):
        return struct.pack("<IIQ", _ARRAY, _INT8, len(value)) + value
    if value == []:
        return struct.pack("<IIQ", _ARRAY, _STRING, 0)
    if isinstance(value, list):
        if isinstance(value[0], int):
            return struct.pack(f"<IIQ{len(value)}i", _ARRAY, _INT32, len(value), *value)
        kind, _ = _scalar(value[0])
        content = b"".join(_scalar(each)[1] for each in value)
        return struct.pack("<IIQ", _ARRAY, kind, len(value)) + content
    kind, content = _scalar(value)
    return struct.pack("<I", kind) + content


def _scalar(value: Any) -> tuple[int, bytes]:
    match value:
        case bool():
            return _BOOL, struct.pack("<?", value)
        case int():
            return _UINT32, struct.pack("<I", value)
        case float():
            return _FLOAT32, struct.pack("<f", value)
        case str():
            return _STRING, _string(value)
    raise TypeError(f"{value!r} has no type of the format")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNMENT)
