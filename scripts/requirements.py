"""Prints what pyproject.toml asks for, one requirement a line: to build, to run, and its extras."""

import sys
import tomllib
from pathlib import Path


def main() -> None:
    """Prints the requirements; the arguments name the extras."""
    pyproject = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    extras = project["optional-dependencies"]
    print(*pyproject["build-system"]["requires"], *project["dependencies"], sep="\n")
    for name in sys.argv[1:]:
        print(*extras[name], sep="\n")


if __name__ == "__main__":
    main()
