"""A page of the documentation as its reader has it: programs to save, and lines of a console."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCS = Path(__file__).parents[2] / "docs"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"\A# ([\w.]+)\n")


NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Command:
    """A line behind a ``$``, and what the page shows below it, where ``…`` is for anything."""

    line: str
    shown: tuple[str, ...]


class Page:
    """One page of ``docs``."""

    def __init__(self, name: str) -> None:
        self.text = (DOCS / name).read_text()

    def save_programs(self, folder: Path, replaced: Mapping[str, str] = NOTHING) -> None:
        """Saves each block that begins with a comment of a file's name, under that name.

        ``replaced`` has what is another value here than on the page, as ports are.
        """
        for _, block in self._blocks(filled_in(self.text, replaced)):
            if name := _NAME.match(block):
                path = folder / name[1]
                assert not path.exists(), f"the page has {name[1]} twice"
                path.write_text(block)

    def consoles(self) -> dict[str, list[Command]]:
        """What each section shows of a console, by the section's heading; only those that do."""
        sections = re.split(r"^## (.*)$", self.text, flags=re.MULTILINE)[1:]
        consoles = {
            heading: [
                command
                for kind, block in self._blocks(section)
                if kind == "console"
                for command in _commands(block)
            ]
            for heading, section in zip(sections[::2], sections[1::2], strict=True)
        }
        return {heading: commands for heading, commands in consoles.items() if commands}

    def _blocks(self, text: str) -> Iterator[tuple[str, str]]:
        for block in _BLOCK.finditer(text):
            yield block[1], block[2]


def filled_in(text: str, replaced: Mapping[str, str]) -> str:
    """``text`` with what it has to have here."""
    for given, value in replaced.items():
        text = text.replace(given, value)
    return text


def _commands(block: str) -> Iterator[Command]:
    assert block.startswith("$ "), block
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        # What a backslash continues is one line.
        line, *shown = part.replace("\\\n", " ").splitlines()
        yield Command(line, tuple(shown))
