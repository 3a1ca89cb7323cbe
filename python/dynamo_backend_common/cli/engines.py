"""The subcommand ``engines``: what can be served by a name, and what it lacks."""

from __future__ import annotations

import ast
import importlib.util
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .failure import PROGRAM
from .output import write
from .resolve import known_engines

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from importlib.metadata import EntryPoint


def add_parser(commands: Any) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "engines",
        allow_abbrev=False,
        help="list the engines that are installed",
        usage=f"{PROGRAM} engines",
        description="Lists the engines that installed packages offer by a name: their package, the"
        " first line of their module's docstring, and what is missing to serve them.",
    )
    parser.set_defaults(command=engines, is_worker=False)


def engines(_options: argparse.Namespace, _engine_argv: Sequence[str]) -> int:
    """Writes the list to stdout; returns the exit status."""
    write(list_engines())
    return 0


def list_engines() -> str:
    """The engines, a line or two for each. No engine's module is imported."""
    known = known_engines()
    width = max(map(len, known), default=0) + 2
    return "\n".join(
        line for name, point in known.items() for line in _lines(name.ljust(width), point)
    )


def _lines(name: str, point: EntryPoint) -> Iterator[str]:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "no package"
    first, lacking, indent = "", "", " " * len(name)
    try:
        module = _module(point.module)
        first = (ast.get_docstring(module) or "").partition("\n")[0].replace("``", "")
        lacking = ", ".join(what for what in _required(point, module) if not _is_there(what))
    except ImportError as error:
        lacking = str(error)
    except Exception as error:
        first = f"cannot be read: {type(error).__name__}: {error}"
    yield f"{name}{package}  {first}".rstrip()
    if lacking:
        extra = _extra(point)
        hint = f"; to have it: pip install '{extra}'" if extra else ""
        yield f"{indent}missing: {lacking}{hint}"


def _module(name: str) -> ast.Module:
    """The engine's module, read and not run: that could take long, and fail."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ImportError(f"no module named '{name}'")
    # Not by the loader, which under pytest is one without sources.
    origin = spec.origin or ""
    source = Path(origin).read_bytes() if origin.endswith(".py") else b""
    return ast.parse(importlib.util.decode_source(source))


def _required(point: EntryPoint, module: ast.Module) -> Iterator[str]:
    """What the extra of the engine's name lists, and what its module has in ``REQUIRES``."""
    requirements = (point.dist.requires or []) if point.dist else []
    for requirement in requirements:
        name, _, marker = requirement.partition(";")
        if re.search(rf"""extra\s*==\s*["']{re.escape(point.name)}["']""", marker):
            yield re.split(r"[^\w.-]", name.strip())[0]
    for statement in module.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="REQUIRES")], value=value):
                yield from ast.literal_eval(value)


def _extra(point: EntryPoint) -> str | None:
    extras = (point.dist.metadata.get_all("Provides-Extra") or []) if point.dist else []
    return f"{point.dist.name}[{point.name}]" if point.dist and point.name in extras else None


def _is_there(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        # A build of it may be packaged by another name.
        return importlib.util.find_spec(name.replace("-", "_")) is not None
    return True
