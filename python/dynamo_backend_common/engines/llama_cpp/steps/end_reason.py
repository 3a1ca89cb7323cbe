"""Why an output ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..binding.model import Model
    from ..request.generation import Generation


def end_reason(token: int | None, generation: Generation, model: Model) -> str | None:
    """The finish reason where a token ends the output; None: it does not.

    Args:
        token: The token that was chosen; None: the grammar allows no other any more.
        generation: What was asked for.
        model: What chose it.
    """
    if token is None:
        return "stop"
    reason = generation.options.ends.get(token)
    if reason is None and generation.grammar is not None and token in model.end_tokens:
        # Also where the model's ends are to be ignored: a grammar that has ended allows no more.
        return "stop"
    return reason
