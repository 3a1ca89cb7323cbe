"""Prints what pyproject.toml asks for, one requirement a line: to build, to run, and chosen."""

import sys
import tomllib
from pathlib import Path


def main() -> None:
    """Prints the requirements; the arguments name extras and dependency groups."""
    pyproject = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    chosen = project["optional-dependencies"] | pyproject["dependency-groups"]
    print(*pyproject["build-system"]["requires"], *project["dependencies"], sep="\n")
    for name in sys.argv[1:]:
        print(*chosen[name], sep="\n")


if __name__ == "__main__":
    main()
