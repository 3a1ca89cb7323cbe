"""Which file of a Rust crate takes from which other, read from its paths.

What a module only hands on is taken from where it is. Not seen: methods and traits, which need no
path. Modules of tests are left out.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Module = tuple[str, ...]

# Together: what looks like the one may stand inside the other.
_NO_CODE = re.compile(r'//[^\n]*|r#".*?"#|"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\[^\n]+?)\'', re.DOTALL)
_TESTS = re.compile(
    r"^#\[cfg\([^\]]*\btest\b[^\]]*\)\]\nmod (\w+)(?:;| \{.*?^\})", re.MULTILINE | re.DOTALL
)
_USE = re.compile(r"^ *(?:pub(?:\([^)]*\))? )?use ([^;]+);", re.MULTILINE)
_INLINE = re.compile(r"\b\w+(?:::\w+)+")


class Crate:
    """The modules below a crate's ``src``, by their paths in it."""

    def __init__(self, source: Path) -> None:
        texts = {
            _module(path.relative_to(source)): _NO_CODE.sub("", path.read_text())
            for path in source.rglob("*.rs")
        }
        of_tests = {(*module, name) for module in texts for name in _TESTS.findall(texts[module])}
        self._texts = {
            module: _TESTS.sub("", text)
            for module, text in texts.items()
            if not any(module[: len(test)] == test for test in of_tests)
        }
        self._handed_on = {module: dict(_names(text)) for module, text in self._texts.items()}

    def arrows(self) -> dict[str, set[str]]:
        """Per module, those that it takes something from, as ``a::b``; the root is ``crate``."""
        return {
            _name(module): {_name(target) for target in self._taken_from(module)}
            for module in self._texts
        }

    def _taken_from(self, module: Module) -> set[Module]:
        text = self._texts[module]
        paths = [path for _, path in _names(text)]
        paths += [tuple(found.split("::")) for found in _INLINE.findall(_USE.sub("", text))]
        found = {self._place(module, path) for path in paths}
        return {place for place in found if place is not None} - {module}

    def _place(self, module: Module, path: tuple[str, ...]) -> Module | None:
        """The module that has what ``path`` names inside ``module``; None: another crate has it."""
        head, *rest = path
        if head == "crate":
            place: Module = ()
        elif head == "self":
            place = module
        elif head == "super":
            place = module[:-1]
            while rest and rest[0] == "super":
                place, rest = place[:-1], rest[1:]
        elif (*module, head) in self._texts:
            place = (*module, head)
        elif head in self._handed_on[module] and self._handed_on[module][head][0] != head:
            return self._place(module, (*self._handed_on[module][head], *rest))
        else:
            return None
        for number, name in enumerate(rest):
            if (*place, name) in self._texts:
                place = (*place, name)
            elif name in self._handed_on[place]:
                handed_on = (*self._handed_on[place][name], *rest[number + 1 :])
                return self._place(place, handed_on)
            else:
                break
        return place


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules of which each reaches each."""
    reached = {name: _reached(arrows, name) for name in arrows}
    groups = {
        tuple(sorted(other for other in reached[name] if name in reached[other]))
        for name in arrows
        if name in reached[name]
    }
    return [list(group) for group in sorted(groups)]


def rooms(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same between modules with all that is below them: only the first part of each path."""
    found: dict[str, set[str]] = {name.split("::")[0]: set() for name in arrows}
    for name, targets in arrows.items():
        room = name.split("::")[0]
        found[room] |= {target.split("::")[0] for target in targets} - {room}
    return found


def floors(arrows: dict[str, set[str]]) -> int:
    """How many modules stand on each other at most; there is no circle."""

    @cache
    def floor(name: str) -> int:
        return 1 + max(map(floor, arrows[name]), default=0)

    return max(map(floor, arrows))


def _reached(arrows: dict[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        new = arrows[ahead.pop()] - reached
        reached |= new
        ahead += new
    return reached


def _module(path: Path) -> Module:
    return () if path.name == "lib.rs" else path.with_suffix("").parts


def _name(module: Module) -> str:
    return "::".join(module) or "crate"


def _names(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What the ``use``s of ``text`` bring: each name, and the path that it stands for."""
    for tree in _USE.findall(text):
        for path in _branches(" ".join(tree.split())):
            path, _, alias = path.partition(" as ")
            parts = tuple(path.removesuffix("::self").removesuffix("::*").split("::"))
            yield alias or parts[-1], parts


def _branches(tree: str) -> Iterator[str]:
    """The paths of a ``use``, its braces multiplied out."""
    prefix, brace, inside = tree.partition("{")
    if not brace:
        yield tree
        return
    depth, start = 0, 0
    for place, letter in enumerate(inside):
        if depth == 0 and letter in ",}":
            if branch := inside[start:place].strip():
                yield from _branches(prefix + branch)
            start = place + 1
        depth += (letter == "{") - (letter == "}")
