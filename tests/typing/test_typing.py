"""What the types of the package accept and reject, by ``mypy --strict``.

Everything in ``accepted`` passes. In ``rejected``, a line that ends with ``# error: CODE ...`` gets
one of these errors, and no other line gets any.
"""

import functools
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ACCEPTED = sorted((HERE / "accepted").glob("*.py"))
REJECTED = sorted((HERE / "rejected").glob("*.py"))
MARK = "# error: "


@functools.cache
def check(folder: Path) -> Mapping[Path, Mapping[int, set[str]]]:
    """The codes of the errors in a folder, by file and line."""
    mypy = [sys.executable, "-m", "mypy", "--strict", "--output=json"]
    # Not the project's own settings: a user has none.
    mypy += ["--config-file", os.devnull]
    run = subprocess.run(
        [*mypy, *folder.glob("*.py")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode in (0, 1), run.stderr + run.stdout
    found: dict[Path, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for line in filter(None, run.stdout.splitlines()):
        error = json.loads(line)
        if error["severity"] == "error":
            found[ROOT / error["file"]][error["line"]].add(error["code"])
    return found


def expected(path: Path) -> dict[int, set[str]]:
    """The codes that the file announces, by line."""
    lines = enumerate(path.read_text().splitlines(), start=1)
    return {number: set(line.split(MARK)[1].split()) for number, line in lines if MARK in line}


def test_there_is_something_to_check() -> None:
    assert ACCEPTED
    assert REJECTED


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_what_is_right_passes(path: Path) -> None:
    assert check(path.parent).get(path, {}) == {}


@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_what_is_wrong_fails_where_it_should(path: Path) -> None:
    found = check(path.parent).get(path, {})
    announced = expected(path)
    missed = {
        line: codes for line, codes in announced.items() if not codes & found.get(line, set())
    }
    others = {line: codes for line, codes in found.items() if line not in announced}
    assert (missed, others) == ({}, {})
