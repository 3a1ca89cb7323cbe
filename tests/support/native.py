"""Engines in C and Rust, compiled as their authors would: with nothing of this project's builds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from .frontend import CACHE

ROOT = Path(__file__).parents[2]
HEADERS = ROOT / "rust/engine-abi/include"
C_ENGINE = ROOT / "examples/c-engine"
RUST_ENGINE = ROOT / "examples/rust-engine-wheel"
NATIVE = Path(__file__).parent / "native"

STRICT = ("-Wall", "-Wextra", "-Werror", "-g", "-O1", "-pthread")
_LIBRARY = ("-shared", "-fPIC")

# Of cargo's and PyO3's settings here, nothing is an author's.
_OURS = ("CARGO_", "RUST", "PYO3_", "CLIPPY_")


def compile_c(compiler: str, *arguments: str | Path) -> None:
    """Calls a compiler, for which a warning is an error."""
    run(compiler, *STRICT, f"-I{HEADERS}", *map(str, arguments))


def compile_library(folder: Path, source: Path, *arguments: str) -> Path:
    """Compiles one file in C to a library."""
    library = folder / f"lib{source.stem}.so"
    compile_c("cc", "-std=c11", *_LIBRARY, *arguments, source, "-o", library)
    return library


def compile_c_engine(folder: Path, *, compiler: tuple[str, ...] = ("cc", "-std=c11")) -> Path:
    """Compiles the example to a Python module in ``folder``."""
    python = f"-I{sysconfig.get_path('include')}"
    sources = [C_ENGINE / name for name in ("engine.c", "module.c")]
    compile_c(*compiler, *_LIBRARY, python, *sources, "-o", folder / "c_engine.abi3.so")
    return folder


def copy_crate(source: Path, folder: Path) -> Path:
    """A copy of a crate in a folder of its own, as in a repository of its author's."""
    crate = folder / source.name
    shutil.copytree(source, crate, ignore=shutil.ignore_patterns("target"))
    manifest = crate / "Cargo.toml"
    up = "../" * len(source.relative_to(ROOT).parts)
    manifest.write_text(manifest.read_text().replace(f'"{up}rust/', f'"{ROOT}/rust/'))
    return crate


def install_wheel(crate: Path, installed: Path, *options: str) -> None:
    """Builds the wheel of a crate and unpacks it into a folder, as pip does."""
    maturin = ("build", "--release", "--offline", "--out", "dist", *options)
    cargo(crate, sys.executable, "-m", "maturin", *maturin)
    [wheel] = (crate / "dist").glob("*.whl")
    pip = ("install", "--quiet", "--no-deps", "--no-index", "--upgrade", "--target")
    run(sys.executable, "-m", "pip", *pip, str(installed), str(wheel))


def build_library(crate: Path, name: str, *options: str) -> Path:
    """Builds a crate that is a library for C, with its own lock file."""
    cargo(crate, "cargo", "build", "--release", "--offline", "--locked", *options)
    return target(crate) / "release" / f"lib{name}.so"


def target(crate: Path) -> Path:
    """Where a crate is compiled: kept, so that the next time is fast."""
    ours = Path(os.environ.get("CARGO_TARGET_DIR") or CACHE / "target")
    return ours / "elsewhere" / crate.name


def cargo(crate: Path, *command: str) -> None:
    """Runs a command that calls cargo, in an environment that is not the project's."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    env |= {name: os.environ[name] for name in ("CARGO_HOME", "RUSTUP_HOME") if name in os.environ}
    run(*command, cwd=crate, env=env | {"CARGO_TARGET_DIR": str(target(crate))})


def run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Runs a command to its end; returns what it wrote, and fails with that."""
    ran = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{' '.join(command)}: {ran.returncode}\n{ran.stdout}"
    return ran.stdout
