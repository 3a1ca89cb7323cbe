"""A GGUF file cut into shards, as llama.cpp's own `gguf-split` does it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ALIGNMENT = 32
_UINT16, _INT32, _STRING, _ARRAY = 2, 5, 8, 9
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


@dataclass
class _Reader:
    content: memoryview
    at: int = 0

    def number(self, form: str) -> int:
        value: int = struct.unpack_from(f"<{form}", self.content, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def skip_string(self) -> None:
        length = self.number("Q")
        self.at += length

    def skip_value(self, kind: int) -> None:
        if kind == _STRING:
            self.skip_string()
        elif kind == _ARRAY:
            inner, count = self.number("I"), self.number("Q")
            if inner in _SIZES:
                self.at += count * _SIZES[inner]
            else:
                for _ in range(count):
                    self.skip_string()
        else:
            self.at += _SIZES[kind]


def split(path: Path, folder: Path, stem: str, count: int) -> list[Path]:
    """Writes the file at ``path`` as ``count`` shards into ``folder``."""
    content = memoryview(path.read_bytes())
    reader = _Reader(content, 8)
    tensors, pairs = reader.number("Q"), reader.number("Q")
    begin = reader.at
    for _ in range(pairs):
        reader.skip_string()
        reader.skip_value(reader.number("I"))
    metadata = content[begin : reader.at]
    infos, offsets = [], []
    for _ in range(tensors):
        begin = reader.at
        reader.skip_string()
        dimensions = reader.number("I")
        reader.at += 8 * dimensions + 4
        infos.append(content[begin : reader.at])
        offsets.append(reader.number("Q"))
    data = content[_aligned(reader.at) :]
    ends = dict(pairwise(sorted([*offsets, len(data)])))
    files = []
    for number in range(count):
        mine = range(tensors * number // count, tensors * (number + 1) // count)
        own = b"".join(
            _pair(key, kind, form, value)
            for key, kind, form, value in (
                ("split.no", _UINT16, "H", number),
                ("split.count", _UINT16, "H", count),
                ("split.tensors.count", _INT32, "i", tensors),
            )
        )
        told, body, size = b"", [], 0
        for index in mine:
            told += bytes(infos[index]) + struct.pack("<Q", size)
            tensor = data[offsets[index] : ends[offsets[index]]]
            body += [tensor, bytes(_aligned(len(tensor)) - len(tensor))]
            size += _aligned(len(tensor))
        # Only the first has what the model says of itself.
        more = (pairs, metadata) if number == 0 else (0, b"")
        head = b"GGUF" + struct.pack("<IQQ", 3, len(mine), 3 + more[0]) + own + more[1] + told
        file = folder / f"{stem}-{number + 1:05}-of-{count:05}.gguf"
        with file.open("wb") as written:
            written.write(head + bytes(_aligned(len(head)) - len(head)))
            written.writelines(body)
        files.append(file)
    return files


def _pair(key: str, kind: int, form: str, value: int) -> bytes:
    name = key.encode()
    return struct.pack(f"<Q{len(name)}sI{form}", len(name), name, kind, value)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
