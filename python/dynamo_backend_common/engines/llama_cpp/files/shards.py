"""Models in several files, by the names that llama.cpp gives these: NAME-00001-of-00003.gguf."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ....exceptions import InvalidArgument

if TYPE_CHECKING:
    from pathlib import Path

_SHARD = re.compile(r"-(\d{5})-of-(\d{5})(?=\.gguf$|$)", re.IGNORECASE)


def _shard(name: str) -> re.Match[str] | None:
    found = _SHARD.search(name)
    # Of other numbers it is a name like any.
    return found if found is not None and 1 <= int(found[1]) <= int(found[2]) else None


def is_later_shard(name: str) -> bool:
    """Whether a file of this name is a part of a model, and not the first one."""
    found = _shard(name)
    return found is not None and int(found[1]) != 1


def without_shard(stem: str) -> str:
    """A name without what says which part of a model it is."""
    found = _shard(stem)
    return stem if found is None else stem[: found.start()] + stem[found.end() :]


def shards_of(name: str) -> list[str]:
    """The names of all parts of the model that ``name`` is a part of; of a whole one its own."""
    found = _shard(name)
    if found is None:
        return [name]
    before, behind, count = name[: found.start()], name[found.end() :], found[2]
    return [f"{before}-{number:05}-of-{count}{behind}" for number in range(1, int(count) + 1)]


def find_shards(path: Path) -> list[Path]:
    """The files of the model that ``path`` is a part of, in their order.

    Raises:
        InvalidArgument: One of them is not there.
    """
    files = [path.with_name(name) for name in shards_of(path.name)]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise InvalidArgument(
            f"model path '{path}' is one of {len(files)} files of a model, of which "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in that folder"
        )
    return files
