"""Types of the compiled core for engines not in Python. At run time they are in `_core`."""

from typing import final

from .engine import ForeignEngine

@final
class RustEngine:
    """An engine written in Rust. It goes into `Worker` like any other and runs without Python."""

    @property
    def name(self) -> str:
        """The engine's name in messages and logs."""

def echo_engine(*, model: str = "echo", delay: float = 0.0) -> RustEngine:
    """The engine that answers with the prompt: ``delay`` seconds before each token."""

def take_engine(object: ForeignEngine) -> RustEngine:  # noqa: A002
    """Takes the engine that an object hands over, and holds the object as long as that lives."""
