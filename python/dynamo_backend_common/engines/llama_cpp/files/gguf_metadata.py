"""The key-value section at the head of a GGUF file, read without touching the weights.

The `gguf` package reads a value at a time through numpy and takes seconds for the half million
strings of a vocabulary; the section itself is a plain sequence of length-prefixed values.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
# Type number of the format -> struct code, little-endian.
_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class GgufMetadata:
    """What a GGUF file says about its model.

    Attributes:
        values: Key to value: int, float, bool, str, or a list of one of these. Bytes in a list's
            texts that are no UTF-8 are lone surrogates there (``surrogateescape``).
        digest: SHA-256 of the whole section, in hex.
        tensors: Names of the tensors.
    """

    values: Mapping[str, Any]
    digest: str
    tensors: frozenset[str] = frozenset()


def read_metadata(path: Path) -> GgufMetadata:
    """Reads the metadata of the file at ``path``.

    Raises:
        InvalidArgument: It is no readable GGUF file of version 2 or 3.
    """
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            if data[:4] != _MAGIC:
                raise InvalidArgument(
                    f"model file '{path}' is no GGUF file: it begins with {data[:4]!r}, not "
                    f"{_MAGIC!r}"
                )
            return _read(data, path)
    except InvalidArgument:
        raise
    except OSError as error:
        raise InvalidArgument(f"model file '{path}' cannot be read: {error.strerror}") from error
    except (struct.error, ValueError, KeyError, RecursionError) as error:
        raise InvalidArgument(
            f"model file '{path}' is damaged: its metadata cannot be read ({error})"
        ) from error


def _read(data: mmap.mmap, path: Path) -> GgufMetadata:
    version, tensors, count = struct.unpack_from("<IQQ", data, 4)
    if version not in _VERSIONS:
        raise InvalidArgument(
            f"model file '{path}' has GGUF version {version}; accepted are 2 and 3"
        )
    cursor = _Cursor(data, 24)
    values = {}
    for _ in range(count):
        key = cursor.string()
        values[key] = cursor.value(cursor.scalar("I"))
    digest = hashlib.sha256(data[: cursor.offset]).hexdigest()
    names = frozenset(cursor.tensor() for _ in range(tensors))
    return GgufMetadata(values=values, digest=digest, tensors=names)


class _Cursor:
    """A position in the section, moved on by what is read."""

    def __init__(self, data: mmap.mmap, offset: int) -> None:
        self._data = data
        self.offset = offset

    def scalar(self, code: str) -> Any:
        (value,) = struct.unpack_from(f"<{code}", self._data, self.offset)
        self.offset += struct.calcsize(f"<{code}")
        return value

    def string(self) -> str:
        end = self.scalar("Q") + self.offset
        if end > len(self._data):
            raise ValueError(f"a text ends at byte {end}, the file at {len(self._data)}")
        # Whoever needs texts that are UTF-8 can see which are not.
        text = self._data[self.offset : end].decode(errors="surrogateescape")
        self.offset = end
        return text

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            # Names and templates: a character that is damaged is shown as such.
            return self.string().encode(errors="surrogateescape").decode(errors="replace")
        if kind == _ARRAY:
            return self.array()
        return self.scalar(_SCALARS[kind])

    def tensor(self) -> str:
        """The name of a tensor; its dimensions, type and place are passed over."""
        name = self.string()
        dimensions = self.scalar("I")
        # 8 bytes of each, then 4 of the type and 8 of the place.
        self.offset += 8 * dimensions + 12
        return name

    def array(self) -> list[Any]:
        kind, count = self.scalar("I"), self.scalar("Q")
        if kind == _STRING:
            return [self.string() for _ in range(count)]
        if kind == _ARRAY:
            return [self.array() for _ in range(count)]
        code = f"<{count}{_SCALARS[kind]}"
        values = list(struct.unpack_from(code, self._data, self.offset))
        self.offset += struct.calcsize(code)
        return values
