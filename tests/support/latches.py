"""Order between a test and its engine: each side passes when the other's file is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .processes import until

if TYPE_CHECKING:
    from pathlib import Path


class Latches:
    """The test's side; ``engines/latches.py`` is the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def release(self, name: str) -> None:
        """Lets the engine pass ``name``."""
        (self._folder / name).touch()

    def withdraw(self, name: str) -> None:
        """Takes back what was released, or forgets what was reached."""
        (self._folder / name).unlink(missing_ok=True)

    def is_reached(self, name: str) -> bool:
        """Whether the engine has reached ``name`` by now."""
        return (self._folder / name).exists()

    def reached(self, name: str) -> str:
        """Waits until the engine has reached ``name``; returns what it left there."""
        until(lambda: self.is_reached(name), f"the engine reaches {name!r}")
        return (self._folder / name).read_text()
