"""What an engine takes: tokens, or requests as clients send them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, get_args

from ..config import ModelInput
from ..exceptions import InvalidArgument
from .hooks import defines

if TYPE_CHECKING:
    from ..config import WorkerConfig

_INPUTS: Final[tuple[ModelInput, ...]] = get_args(ModelInput)
_TOKENS: Final = "Tokens"

# Hooks of engines that have a KV cache, or that load adapters to a model of tokens.
_OF_TOKENS = ("kv_event_sources", "is_quiescent", "on_adapter_cards")


def input_of(engine: Any) -> ModelInput:
    """What the engine says that it takes; one that says nothing takes tokens.

    Raises:
        InvalidArgument: It says something else, or has a hook that is for engines of tokens only.
    """
    name = type(engine).__name__
    said = getattr(engine, "model_input", _TOKENS)
    taken = _known(said)
    if taken is None:
        raise InvalidArgument(
            f"engine: model_input of {name} is {said!r}; accepted: {', '.join(map(repr, _INPUTS))}"
        )
    if taken != _TOKENS:
        for hook in _OF_TOKENS:
            if defines(engine, hook):
                raise InvalidArgument(
                    f"engine: {name} takes {taken.lower()} and has {hook}, which is for engines"
                    " that take tokens; leave it out"
                )
    return taken


def with_input(config: WorkerConfig, name: str, taken: ModelInput) -> WorkerConfig:
    """The configuration with what the engine takes filled in.

    Raises:
        InvalidArgument: It names another input.
    """
    wanted = _known(config.model_input)
    # What is unknown is refused with the rest of the configuration.
    if wanted is None or wanted == taken:
        return config
    if wanted == _TOKENS:
        return replace(config, model_input=taken)
    raise InvalidArgument(
        f"model_input: {config.model_input!r} is configured, and {name} takes {taken!r}; leave it"
        f" at its default, or have the engine say model_input = {wanted!r} (see RawEngine)"
    )


def _known(said: Any) -> ModelInput | None:
    text = said.strip().lower() if isinstance(said, str) else None
    return next((known for known in _INPUTS if known.lower() == text), None)
