"""The engine llama-cpp: each of its packages knows only what is below it."""

import ast
from pathlib import Path

import pytest

from support.rust_modules import circles

ENGINE = Path(__file__).parents[2] / "python/dynamo_backend_common/engines/llama_cpp"


def modules() -> dict[str, set[str]]:
    """By each module of the engine, those of its own that it takes from."""
    found: dict[str, set[str]] = {}
    for path in ENGINE.rglob("*.py"):
        inside = path.relative_to(ENGINE).with_suffix("").parts
        taken = found.setdefault(".".join(inside), set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and 0 < node.level <= len(inside):
                folder = inside[: -node.level]
                names = [node.module] if node.module else [each.name for each in node.names]
                taken.update(".".join([*folder, name]) for name in names)
    return found


def packages() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for module, taken in modules().items():
        mine = module.partition(".")[0]
        found.setdefault(mine, set()).update(name.partition(".")[0] for name in taken)
    return {name: taken - {name} for name, taken in found.items()}


def test_nothing_takes_from_what_takes_from_it() -> None:
    assert circles(modules()) == []
    assert circles(packages()) == []


@pytest.mark.parametrize(
    ("package", "known"),
    [
        ("binding", {"options"}),
        ("cache", set()),
        ("files", {"tokenizer"}),
        ("grammar", set()),
        ("request", {"binding", "grammar"}),
        ("steps", {"binding", "cache", "loop", "request"}),
        ("tokenizer", set()),
    ],
)
def test_a_package_knows_only_what_it_needs(package: str, known: set[str]) -> None:
    assert packages()[package] == known
