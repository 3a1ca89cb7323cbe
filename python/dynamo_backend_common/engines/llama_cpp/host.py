"""What the engine may take of the machine, where nobody says how much."""

from __future__ import annotations

import os
from pathlib import Path

_MIB = 2**20
# llama.cpp's own.
_MOST_CACHE_RAM = 8192
# Where a container's limit stands, with cgroups of version 2 and 1.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def spare_processors() -> int:
    """Processors that this process may use, but for one: the worker itself needs it."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max((usable or 1) - 1, 1)


def cache_ram() -> int:
    """MiB for prompts that left their slots: llama.cpp's, or a quarter of a smaller memory."""
    return min(_MOST_CACHE_RAM, memory() // 4 // _MIB)


def memory() -> int:
    """Bytes of memory that this process may have."""
    said = [path.read_text() for path in map(Path, _LIMITS) if path.is_file()]
    # Where there is no limit, there is a word.
    limits = [int(text) for text in said if text.strip().isdigit()]
    return min([*limits, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")])
