"""What an installed package offers as extras: what the README explains, and nothing for tests."""

import re
from importlib.metadata import metadata
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_extras_are_those_that_the_readme_explains() -> None:
    table = README.read_text().split("\n| extra |", 1)[1].split("\n\n", 1)[0]
    explained = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    offered = metadata("dynamo-backend-common").get_all("Provides-Extra") or []
    assert sorted(explained) == sorted(offered)
