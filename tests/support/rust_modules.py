"""Which file of a Rust crate uses which other, read from its paths: ``use``, ``crate::``, ``super::``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Module = tuple[str, ...]

_COMMENT = re.compile(r"//.*")
_TESTS = re.compile(r"^#\[cfg\((?:test|all\(test\b).*?\)\]\n(?:#\[.*\]\n)*mod \w+ \{.*?^\}", re.M | re.S)
_USE = re.compile(r"^(?:    )*(pub(?:\([^)]*\))? )?use ([^;]+);", re.M)
_INLINE = re.compile(r"\b((?:crate|super|self)(?:::\w+)+)")


class Crate:
    """The modules of the crate whose ``src`` folder is given, without those of its tests."""

    def __init__(self, folder: Path) -> None:
        paths = {
            _module(path.relative_to(folder)): path
            for path in folder.rglob("*.rs")
            if "tests" not in path.relative_to(folder).with_suffix("").parts
        }
        self.files = {module: str(path.relative_to(folder)) for module, path in paths.items()}
        self._texts = {module: _read(path) for module, path in paths.items()}
        self._handed_on = {module: dict(self._names(module)) for module in paths}

    def arrows(self) -> dict[str, set[str]]:
        """Per file, those that it takes something from."""
        return {
            self.files[module]: {
                self.files[target] for target in self._targets(module) if target != module
            }
            for module in self.files
        }

    def _names(self, module: Module) -> Iterator[tuple[str, tuple[str, ...]]]:
        for match in _USE.finditer(self._texts[module]):
            for path in _expanded(match[2]):
                name = path[-1]
                if " as " in name:
                    original, name = name.split(" as ")
                    path = (*path[:-1], original)
                yield name, path

    def _targets(self, module: Module) -> set[Module]:
        text = self._texts[module]
        paths = [path for match in _USE.finditer(text) for path in _expanded(match[2])]
        paths += [tuple(found.split("::")) for found in _INLINE.findall(_USE.sub("", text))]
        found = (self._resolve(module, path) for path in paths)
        return {target for target in found if target is not None}

    def _resolve(self, module: Module, path: tuple[str, ...], depth: int = 0) -> Module | None:
        """The module that has what ``path``, written in ``module``, names; None of another crate."""
        head, *rest = (segment.split(" as ")[0] for segment in path)
        if head == "crate":
            at: Module = ()
        elif head == "self":
            at = module
        elif head == "super":
            at = module[:-1]
            while rest and rest[0] == "super":
                at, rest = at[:-1], rest[1:]
        elif (*module, head) in self.files:
            at = (*module, head)
        else:
            return None
        for number, segment in enumerate(rest):
            if (*at, segment) in self.files:
                at = (*at, segment)
                continue
            handed = self._handed_on[at].get(segment)
            if handed is not None and depth < 8:
                further = (*handed, *rest[number + 1 :])
                return self._resolve(at, further, depth + 1) or at
            break
        return at


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """The groups of files of which each reaches each other one."""
    reached = {name: _reached(arrows, name) for name in arrows}
    groups = {
        tuple(sorted({name} | {other for other in reached[name] if name in reached[other]}))
        for name in arrows
        if name in reached[name]
    }
    return [list(group) for group in sorted(groups)]


def _reached(arrows: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        for target in arrows[ahead.pop()] - seen:
            seen.add(target)
            ahead.append(target)
    return seen


def _module(path: Path) -> Module:
    return () if path.name == "lib.rs" else path.with_suffix("").parts


def _read(path: Path) -> str:
    return _TESTS.sub("", _COMMENT.sub("", path.read_text()))


def _expanded(tree: str) -> Iterator[tuple[str, ...]]:
    """The paths of a ``use``, its braces multiplied out."""
    tree = " ".join(tree.split())
    opening = tree.find("{")
    if opening < 0:
        yield tuple(part for part in tree.strip().split("::") if part not in ("self", "*") or part == tree.split("::")[0])
        return
    prefix = tree[:opening]
    depth, start = 0, opening + 1
    for place, letter in enumerate(tree):
        if letter == "{":
            depth += 1
        if letter == "}":
            depth -= 1
        if (letter == "," and depth == 1) or (letter == "}" and depth == 0):
            if tree[start:place].strip():
                yield from _expanded(prefix + tree[start:place].strip())
            start = place + 1
