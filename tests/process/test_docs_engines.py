"""docs/engines.md: its programs, saved under their names, and its consoles, line by line."""

from __future__ import annotations

import re
import shutil
import tomllib
from typing import TYPE_CHECKING

import pytest

from support.console import Console
from support.native import ROOT, RUST_ENGINE, install_wheel
from support.pages import Page

if TYPE_CHECKING:
    from pathlib import Path

    from support.launcher import Launcher

PAGE = Page("engines.md")
CONSOLES = PAGE.consoles()
IN_RUST = "In Rust, as a wheel"


# One of them compiles an engine.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("section", CONSOLES)
def test_a_section_does_what_it_shows(launcher: Launcher, model_folder: str, section: str) -> None:
    replaced = {
        "HuggingFaceTB/SmolLM2-135M-Instruct": model_folder,
        "8000": str(launcher.ports.reserve()),
        "9090": str(launcher.ports.reserve()),
        # Done above: building a package needs the network.
        "pip install .": "true",
        "maturin build --release --out dist && pip install dist/*.whl": "true",
    }
    PAGE.save_programs(launcher.folder, replaced)
    install(launcher.folder)
    if section == IN_RUST:
        build_in_rust(launcher.folder)
    Console(launcher, replaced).run(CONSOLES[section])


def build_in_rust(folder: Path) -> None:
    """Leaves the page's wheel in ``folder``, in the place of an environment."""
    crate = folder / "bell"
    (crate / "src").mkdir(parents=True)
    # Cargo would take the folder around a crate for its workspace.
    manifest = (folder / "Cargo.toml").rename(crate / "Cargo.toml").read_text()
    [source] = re.findall(
        r"^```rust\n// src/lib.rs\n(.*?)^```$", PAGE.text, re.DOTALL | re.MULTILINE
    )
    here = 'git = "ADDRESS", rev = "COMMIT"'
    assert here in manifest
    (crate / "Cargo.toml").write_text(manifest.replace(here, f'path = "{ROOT}/rust/engine"'))
    (crate / "src/lib.rs").write_text(source)
    # Of what is there: building needs no network then.
    shutil.copy(RUST_ENGINE / "Cargo.lock", crate)
    install_wheel(crate, folder)


def install(folder: Path) -> None:
    """Leaves in ``folder`` what pip leaves in an environment of its package."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = "".join(
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
        for group, entries in project["entry-points"].items()
    )
    (about / "entry_points.txt").write_text(points)
