"""An engine of theirs from its class: by ``from_args``, which is awaited."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidArgument
from .engine import wrap
from .errors import as_ours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .lifecycle import ReferenceLifecycle

_PAIR = "it must be a coroutine that returns (engine, WorkerConfig)"


async def make(name: str, target: Any, argv: Sequence[str]) -> ReferenceLifecycle:
    """Makes the engine of the class ``target``, which the user calls ``name``.

    Raises:
        InvalidArgument: ``from_args`` is not there, or not as it is theirs; or what it returns is
            not.
    """
    from_args = getattr(target, "from_args", None)
    if not callable(from_args):
        raise InvalidArgument(
            f"'{name}' has no classmethod from_args(argv), by which an engine of"
            " dynamo.common.backend is made; name its class"
        )
    with as_ours():
        answer = from_args(list(argv))
        if not inspect.isawaitable(answer):
            raise InvalidArgument(
                f"from_args of '{name}' returned {type(answer).__name__}; {_PAIR}. An engine of"
                " this package is served without --reference"
            )
        pair = await answer
    if not (isinstance(pair, tuple) and len(pair) == 2):
        raise InvalidArgument(f"from_args of '{name}' returned {type(pair).__name__}; {_PAIR}")
    return wrap(*pair)
