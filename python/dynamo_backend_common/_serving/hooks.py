"""The methods of an engine by their names: which it must have, may have, and has misspelt."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from ..engine import LLMEngine
from ..exceptions import InvalidArgument
from ..raw import RawEngine

if TYPE_CHECKING:
    from collections.abc import Iterable

REQUIRED = ("start", "generate", "cleanup")
# What an engine says that it supports, it is asked for by the other.
_PAIRS = (("supported_controls", "engine_control"), ("supported_updates", "engine_update"))
_ALL = (
    *(name for name, value in vars(LLMEngine).items() if name[0] != "_" and callable(value)),
    "from_args",
    "configure",
)


def check_hooks(engine: Any) -> None:
    """Refuses an engine with a method that is missing, misspelt, or of the wrong kind.

    Raises:
        InvalidArgument: The message names the method, and what was probably meant.
    """
    name = type(engine).__name__
    own = [each for each in dir(engine) if each[0] != "_" and each not in _ALL]
    missing = [hook for hook in REQUIRED if not callable(getattr(engine, hook, None))]
    if missing:
        raise InvalidArgument(
            f"engine: {name} has no method {' and no '.join(missing)}; an engine has start,"
            f" generate and cleanup{_meant(engine, own, missing)}"
        )
    for hook in _ALL:
        method = getattr(engine, hook, None)
        if method is not None and not callable(method):
            raise InvalidArgument(
                f"engine: {hook} of {name} is {method!r}; make it a method, or give it another name"
            )
        if hook not in ("generate", "kv_event_sources") and _yields(method):
            raise InvalidArgument(
                f"engine: {name}.{hook} is a generator, which the worker calls but does not"
                " iterate; write it without 'yield'"
            )
    for each in own:
        for hook in _ALL:
            if _is_near(each, hook) and not defines(engine, hook) and _is_method(engine, each):
                raise InvalidArgument(
                    f"engine: {name} has a method {each}, which the worker does not call, and no"
                    f" {hook}: rename it to {hook}; or begin its name with '_' if only the engine"
                    " calls it"
                )
    for says, does in _PAIRS:
        if callable(getattr(engine, says, None)) and getattr(engine, does, None) is None:
            raise InvalidArgument(
                f"engine: {name} has {says} and no {does}, which performs what that names; add it"
            )


def defines(engine: Any, hook: str) -> bool:
    """Whether the engine has a hook of its own, and not that of a base class of ours."""
    method = getattr(engine, hook, None)
    offered = [getattr(base, hook, None) for base in (LLMEngine, RawEngine)]
    return method is not None and getattr(method, "__func__", method) not in offered


def _meant(engine: Any, own: Iterable[str], missing: Iterable[str]) -> str:
    near = {
        hook: found[0]
        for hook in missing
        if (found := [each for each in get_close_matches(hook, own) if _is_method(engine, each)])
    }
    return "".join(f"; rename {each} to {hook}" for hook, each in near.items())


def _is_near(name: str, hook: str) -> bool:
    if name[0].lower() != hook[0] or ("_" not in hook and name.startswith(hook)):
        # `started`, `watcher` and `batch` are words of their own.
        return False
    words, meant = name.split("_"), hook.split("_")
    return _is_slip(name.replace("_", "").lower(), hook.replace("_", "")) or (
        len(words) == len(meant) and all(map(_is_slip, words, meant))
    )


def _is_slip(written: str, meant: str) -> bool:
    """Whether they differ by a letter at most: one too many, missing, wrong, or swapped."""
    pairs = zip(written, meant, strict=False)
    same = len([*takewhile(lambda pair: pair[0] == pair[1], pairs)])
    left, right = written[same:], meant[same:]
    return (
        left[1:] == right
        or left == right[1:]
        # Another short word is another word: `about` is not `abort`.
        or (left[1:] == right[1:] and len(meant) > 5)
        or (left[:2] == right[1::-1] and left[2:] == right[2:])
    )


def _is_method(engine: Any, name: str) -> bool:
    return callable(getattr(engine, name, None))


def _yields(method: Any) -> bool:
    return inspect.isasyncgenfunction(method) or inspect.isgeneratorfunction(method)
