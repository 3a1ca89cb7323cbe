"""Engines in Rust, also those that an object of Python's hands over."""

from __future__ import annotations

from typing import Any

from .._core import RustEngine, take_engine

_HANDS_OVER = "__dynamo_engine__"


def is_rust_engine(engine: Any) -> bool:
    """Whether it is driven without Python: whatever else it has, its methods are not called."""
    return isinstance(engine, RustEngine) or (
        not isinstance(engine, type) and hasattr(engine, _HANDS_OVER)
    )


def as_rust_engine(engine: Any) -> RustEngine | None:
    """The engine to drive without Python; None for one in Python.

    An object that hands one over is asked for it each time.

    Raises:
        InvalidArgument: What the object handed over cannot be taken.
    """
    if isinstance(engine, RustEngine):
        return engine
    return take_engine(engine) if is_rust_engine(engine) else None
