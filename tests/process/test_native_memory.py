"""Engines from elsewhere in a small host, under tools that watch memory and threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.native import C_ENGINE, LIBRARY, NATIVE, compile_c, run

if TYPE_CHECKING:
    from pathlib import Path

DONE = "the engine did what it should"


def host(folder: Path, *options: str) -> str:
    """The small host, compiled."""
    program = folder / "host"
    compile_c("cc", "-std=c11", *options, NATIVE / "host.c", "-o", program, "-ldl")
    return str(program)


@pytest.mark.parametrize("watched", ["address,undefined", "thread"])
def test_the_engine_in_c_has_no_error_and_no_leak(tmp_path: Path, watched: str) -> None:
    sanitize = (f"-fsanitize={watched}", "-fno-sanitize-recover=all")
    library = tmp_path / "libengine.so"
    compile_c("cc", "-std=c11", *sanitize, *LIBRARY, C_ENGINE / "engine.c", "-o", library)
    assert DONE in run(host(tmp_path, *sanitize), str(library))
