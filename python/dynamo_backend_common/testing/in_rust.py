"""The checks of an engine in Rust, which the Rust library makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core import RUST_CHECKS, check_rust_engine
from .._serving.taking import as_rust_engine
from .check import Outcome, Result
from .requests import PARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["RUST_CHECKS", "check_in_rust"]


def check_in_rust(
    engine: Any,
    another: Any,
    request: Mapping[str, Any],
    *,
    requests: int,
    timeout: float,
    add: Callable[[Result], object],
) -> str:
    """Checks an engine, and calls ``add`` with each result; returns the engine's name.

    Where ``another`` is that engine again, the check that takes two is skipped.
    """
    checked = as_rust_engine(engine)
    assert checked is not None

    def tell(name: str, outcome: Outcome, rule: str, found: str, mend: str) -> None:
        add(Result(name, outcome, rule, found, mend if outcome == "failed" else ""))

    check_rust_engine(
        checked,
        None if another is engine else as_rust_engine(another),
        {part: {} for part in PARTS} | dict(request),
        requests=requests,
        timeout=timeout,
        tell=tell,
    )
    return checked.name
