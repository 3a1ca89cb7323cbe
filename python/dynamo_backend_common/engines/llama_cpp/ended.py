"""What requests are told when the thread that serves them has ended."""

from __future__ import annotations

from ...exceptions import EngineShutdown


def ended(cause: BaseException | None) -> EngineShutdown:
    """The error of each request that is left.

    Args:
        cause: What the thread failed with; None: it was told to end.
    """
    if cause is None:
        return EngineShutdown("the llama-cpp engine was shut down")
    error = EngineShutdown(
        f"the llama-cpp engine failed and must be restarted: {type(cause).__name__}: {cause}"
    )
    error.__cause__ = cause
    return error
