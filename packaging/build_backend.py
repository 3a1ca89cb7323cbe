"""What `pip install .` calls: maturin's build backend, which first says what is to come.

pip shows nothing of a build that goes well, and this one takes long. So the notice goes to the
terminal itself where there is one, and what is missing ends the build before it has begun.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import maturin
from maturin import (
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

_PROGRAMS = {
    "cargo": "Rust 1.95 or newer, from https://rustup.rs",
    "c++": "Debian: g++",
    "cmake": "Debian: cmake",
    "pkg-config": "Debian: pkg-config",
    "protoc": "Debian: protobuf-compiler",
}
_NOTICE = """
dynamo-backend-common is compiled with all of its about 750 crates, for production: half an hour on
2 cores, 5 GB of memory and 6 GB of disk. In a clone, `make install VENV=path` has a build for a
quick start in half the time, once for all environments.
"""


def build_wheel(*arguments: Any, **keywords: Any) -> str:
    """Builds the wheel, as PEP 517 says."""
    _begin()
    return str(maturin.build_wheel(*arguments, **keywords))


def build_editable(*arguments: Any, **keywords: Any) -> str:
    """Builds an editable wheel, as PEP 660 says."""
    _begin()
    return str(maturin.build_editable(*arguments, **keywords))


def _begin() -> None:
    missing = [f"{name} ({how})" for name, how in _PROGRAMS.items() if not shutil.which(name)]
    if "LIBCLANG_PATH" not in os.environ and not any(
        Path("/usr/lib").glob("llvm-*/lib/libclang.so*")
    ):
        missing.append("libclang (Debian: libclang-dev, or LIBCLANG_PATH)")
    if missing:
        raise SystemExit(f"error: not found: {', '.join(missing)}; install it and call again")
    try:
        with Path("/dev/tty").open("w", encoding="utf-8") as terminal:
            terminal.write(_NOTICE)
    except OSError:
        sys.stderr.write(_NOTICE)
