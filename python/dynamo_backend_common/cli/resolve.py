"""An engine from its name: ``module:attribute``, or an entry point of an installed package."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._serving.taking import is_rust_engine
from ..exceptions import DynamoError, InvalidArgument
from .failure import Failure, UsageError, show_traceback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

GROUP = "dynamo_backend_common.engines"
"""Group of the entry points by which a package offers engines by name."""

# As an annotation is written, or shown where it is no text.
_LIST_OF_STR = re.compile(r"([\w.]+\.)?([Ll]ist|Sequence|Iterable)\[str\]( \| None)?")


def make_engine(name: str, argv: Sequence[str]) -> Any:
    """Finds what ``name`` names and makes the engine of it.

    Args:
        name: ``module:attribute``, of a class, a factory or an engine, or an engine's name.
        argv: What follows ``--``; goes to the ``from_args`` of the class, or to the first parameter
            of the factory, where that is ``argv``, ``args``, or annotated as a list of str.

    Raises:
        UsageError: There is no such engine, it takes no arguments, or its constructor wants some.
        Failure: The user's own code failed; its traceback has been shown.
    """
    target = attribute(name) if ":" in name else _installed(name)
    engine = _make(name, target, list(argv))
    if inspect.iscoroutine(engine):
        engine.close()
        raise UsageError(
            f"from_args of engine '{name}' is a coroutine, as in dynamo.common.backend: serve it"
            " with --reference"
        )
    if not (is_rust_engine(engine) or callable(getattr(engine, "generate", None))):
        raise UsageError(
            f"engine '{name}' is of type {_type_name(engine)}, which has no method generate"
        )
    return engine


class EngineMaker:
    """Makes the engine at once, and another one with each call after the first."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made = [make()]

    @property
    def first(self) -> Any:
        """The engine, until it is taken."""
        return self._made[0]

    def __call__(self) -> Any:
        """The engine, or another one."""
        return self._made.pop() if self._made else self._make()


def known_engines() -> dict[str, EntryPoint]:
    """The engines that installed packages offer, by name, in alphabetical order."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    return dict(sorted(points.items()))


def attribute(name: str) -> Any:
    """What ``module:attribute`` names.

    Raises:
        UsageError: There is no such module or attribute.
        Failure: The module cannot be imported; its traceback has been shown.
    """
    module_name, _, path = name.partition(":")
    if not (module_name and path):
        raise UsageError(f"engine '{name}': write module:attribute, such as my_engine:MyEngine")
    target: Any = _module(module_name)
    for part in path.split("."):
        try:
            target = getattr(target, part)
        except AttributeError:
            owner = f"module '{module_name}'" if inspect.ismodule(target) else _type_name(target)
            public = [known for known in dir(target) if not known.startswith("_")]
            raise UsageError(f"{owner} has no attribute '{part}'{_hint(part, public)}") from None
    return target


def import_from_here() -> None:
    """Has modules of the working directory found."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


def _module(name: str) -> Any:
    if name.endswith(".py") or "/" in name:
        dotted = name.removesuffix(".py").strip("./").replace("/", ".")
        raise UsageError(f"'{name}' is a file; write its module: {dotted}")
    import_from_here()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise users_failure(f"module '{name}' cannot be imported", error) from error
        raise UsageError(
            f"no module named '{error.name}'{_hint(error.name, _siblings(error.name))}"
        ) from None
    except Exception as error:
        raise users_failure(f"module '{name}' cannot be imported", error) from error


def _siblings(module: str) -> list[str]:
    parent, _, _ = module.rpartition(".")
    paths = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    prefix = f"{parent}." if parent else ""
    return [prefix + found.name for found in pkgutil.iter_modules(paths)]


def _installed(name: str) -> Any:
    known = known_engines()
    if name not in known:
        raise UsageError(
            f"unknown engine '{name}'{_hint(name, known)}; known: {', '.join(known)};"
            " or module:attribute of an engine of your own"
        )
    try:
        return known[name].load()
    except ImportError as error:
        raise _not_installed(known[name], error) from error
    except Exception as error:
        raise users_failure(f"engine '{name}' cannot be loaded", error) from error


def _not_installed(point: EntryPoint, error: ImportError) -> Failure:
    extras = (point.dist.metadata.get_all("Provides-Extra") or []) if point.dist else []
    hint = ""
    if point.dist is not None and point.name in extras and "pip install" not in str(error):
        hint = f"; to have it: pip install '{point.dist.name}[{point.name}]'"
    return Failure(f"engine '{point.name}': {error}{hint}")


def _make(name: str, target: Any, argv: list[str]) -> Any:
    if not inspect.isclass(target) and (
        is_rust_engine(target) or hasattr(target, "generate") or not callable(target)
    ):
        _refuse(name, argv)
        return target
    from_args = getattr(target, "from_args", None)
    if callable(from_args):
        return _call(name, from_args, argv)
    if _takes_argv(name, target):
        return _call(name, target, argv)
    _refuse(name, argv)
    return _call(name, target)


def _takes_argv(name: str, factory: Callable[..., Any]) -> bool:
    try:
        parameters = list(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError):
        return False
    takes_argv = not inspect.isclass(factory) and any(map(_is_argv, parameters[:1]))
    wanted = [
        f"'{parameter.name}'"
        for parameter in parameters[takes_argv:]
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if wanted:
        raise UsageError(
            f"engine '{name}' cannot be made without {' and '.join(wanted)}; write a classmethod"
            " from_args(argv) for its class, or serve a function make(argv) that makes it: argv is"
            " the list of the arguments after '--'"
        )
    return takes_argv


def _is_argv(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD) and (
        parameter.name in ("argv", "args")
        or _LIST_OF_STR.fullmatch(inspect.formatannotation(parameter.annotation).strip("'"))
        is not None
    )


def _refuse(name: str, argv: list[str]) -> None:
    if argv:
        raise UsageError(
            f"engine '{name}' takes no arguments, but '{argv[0]}' follows '--'; a class takes them"
            " with a classmethod from_args(argv), a factory with a parameter argv"
        )


def _call(name: str, factory: Callable[..., Any], *arguments: list[str]) -> Any:
    try:
        return factory(*arguments)
    except InvalidArgument as error:
        raise UsageError(f"engine '{name}': {error}") from error
    except DynamoError as error:
        raise Failure(f"engine '{name}': {error}") from error
    except Exception as error:
        if isinstance(error, ImportError) and ":" not in name:
            raise _not_installed(known_engines()[name], error) from error
        raise users_failure(f"engine '{name}' cannot be made", error) from error


def users_failure(what: str, error: BaseException) -> Failure:
    """The failure of a user's own code, whose traceback is shown."""
    show_traceback(error)
    return Failure(f"{what}: {type(error).__name__}: {error}")


def _hint(wrong: str, known: Iterable[str]) -> str:
    close = get_close_matches(wrong, list(known), n=3)
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
