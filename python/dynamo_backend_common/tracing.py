"""What an engine writes to the spans of its requests."""

from collections.abc import Sequence
from typing import TypeAlias

__all__ = ["SpanAttribute"]

SpanAttribute: TypeAlias = (
    str | bool | int | float | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]
)
"""The value of an attribute: an integer has 64 bits, a list or a tuple items of one type."""
