"""Engines from elsewhere in a small host, under tools that watch memory and threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.native import (
    C_ENGINE,
    NATIVE,
    RUST_ENGINE,
    build_library,
    compile_c,
    compile_library,
    copy_crate,
    run,
)

if TYPE_CHECKING:
    from pathlib import Path

DONE = "the engine did what it should"

# The first one compiles the engine.
pytestmark = pytest.mark.timeout(900)


def host(folder: Path, *options: str) -> str:
    """The small host, compiled."""
    program = folder / "host"
    compile_c("cc", "-std=c11", *options, NATIVE / "host.c", "-o", program, "-ldl")
    return str(program)


@pytest.mark.parametrize("watched", ["address,undefined", "thread"])
def test_the_engine_in_c_has_no_error_and_no_leak(tmp_path: Path, watched: str) -> None:
    sanitize = (f"-fsanitize={watched}", "-fno-sanitize-recover=all")
    library = compile_library(tmp_path, C_ENGINE / "engine.c", *sanitize)
    assert DONE in run(host(tmp_path, *sanitize), str(library))


@pytest.fixture(scope="module")
def rust_engine(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The example in Rust, for hosts that are not Python."""
    crate = copy_crate(RUST_ENGINE, tmp_path_factory.mktemp("elsewhere"))
    # Where it is compiled has this name: the wheel may be compiled at the same time.
    crate = crate.rename(crate.with_name("rust-engine-library"))
    return str(build_library(crate, "metronome_engine", "--no-default-features"))


def test_the_engine_in_rust_frees_all_that_it_took(tmp_path: Path, rust_engine: str) -> None:
    options = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    assert DONE in run(host(tmp_path, *options), rust_engine)


def test_the_engine_in_rust_has_no_error_of_memory(tmp_path: Path, rust_engine: str) -> None:
    # A thread that still ends with the process "possibly" has lost its stack.
    kinds = "definite,indirect"
    leaks = ("--leak-check=full", f"--show-leak-kinds={kinds}", f"--errors-for-leak-kinds={kinds}")
    watched = run("valgrind", "--quiet", *leaks, "--error-exitcode=9", host(tmp_path), rust_engine)
    assert DONE in watched
