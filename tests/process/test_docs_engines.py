"""docs/engines.md: its programs, saved under their names, and its consoles, line by line."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from support.console import Console
from support.pages import Page

if TYPE_CHECKING:
    from pathlib import Path

    from support.launcher import Launcher

PAGE = Page("engines.md")
CONSOLES = PAGE.consoles()


@pytest.mark.parametrize("section", CONSOLES)
def test_a_section_does_what_it_shows(launcher: Launcher, model_folder: str, section: str) -> None:
    replaced = {
        "HuggingFaceTB/SmolLM2-135M-Instruct": model_folder,
        "8000": str(launcher.ports.reserve()),
        "9090": str(launcher.ports.reserve()),
        # Done above: building a package needs the network.
        "pip install .": "true",
    }
    PAGE.save_programs(launcher.folder, replaced)
    install(launcher.folder)
    Console(launcher, replaced).run(CONSOLES[section])


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
