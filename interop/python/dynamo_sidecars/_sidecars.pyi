"""The compiled module."""

from typing import Any, final

__all__ = ["Discovered", "Discovery", "discover"]

@final
class Discovered:
    """A sidecar that has found its server."""

    @property
    def worker_config(self) -> str:
        """How it wants to be served: a JSON object."""

    def __dynamo_engine__(self, version: int) -> Any:
        """The engine, in a capsule; only once."""

@final
class Discovery:
    """A search for a server that is under way; it ends with this object."""

    def wait(self, seconds: float) -> Discovered | None:
        """What was found within ``seconds``, or None."""

    @staticmethod
    def lines() -> list[tuple[str, str]]:
        """What was logged since the last call: the level's name, and the text."""

def discover(name: str, program: str, argv: list[str]) -> Discovery:
    """Reads the arguments of the sidecar ``name``, and begins to look for its server.

    ``program`` is what messages call the command.
    """
