"""One option: a field of a dataclass with its default, help, check and form on a command line."""

from __future__ import annotations

import argparse
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidArgument

if TYPE_CHECKING:
    from dataclasses import Field

# What llama.cpp's integers hold.
_MOST = 2**31 - 1


class Kind(ABC):
    """What an option accepts.

    Attributes:
        metavar: What stands for the value in a usage line.
        must: What a value must be, behind "it must be".
    """

    metavar: str
    must: str

    @abstractmethod
    def accepts(self, value: Any) -> bool:
        """Whether an option may have ``value``, which is not None."""

    @abstractmethod
    def read(self, text: str) -> Any:
        """The value of an argument.

        Raises:
            ValueError: ``text`` is none.
        """


class Switch(Kind):
    """True or False; ``--name`` and ``--no-name``."""

    metavar = ""
    must = "True or False"

    def accepts(self, value: Any) -> bool:
        """Whether it is a bool."""
        return isinstance(value, bool)

    def read(self, text: str) -> bool:
        """No argument has a value to read."""
        raise ValueError(text)


class Text(Kind):
    """A text that is not empty."""

    must = "a text"

    def __init__(self, metavar: str) -> None:
        self.metavar = metavar

    def accepts(self, value: Any) -> bool:
        """Whether it is such a text."""
        return isinstance(value, str) and value != ""

    def read(self, text: str) -> str:
        """The argument itself."""
        return text


class Texts(Kind):
    """Texts that are not empty; as an argument divided by commas, or given several times."""

    must = "a list of texts"

    def __init__(self, metavar: str) -> None:
        self.metavar = metavar

    def accepts(self, value: Any) -> bool:
        """Whether it is a list, or tuple, of such texts."""
        return isinstance(value, (list, tuple)) and all(
            isinstance(each, str) and each != "" for each in value
        )

    def read(self, text: str) -> tuple[str, ...]:
        """The argument's parts."""
        return tuple(text.split(","))


class Choice(Kind):
    """One of some texts."""

    def __init__(self, *values: str) -> None:
        self.values = values
        self.metavar = "{" + ",".join(values) + "}"
        self.must = "one of " + ", ".join(values)

    def accepts(self, value: Any) -> bool:
        """Whether it is one of them."""
        return value in self.values

    def read(self, text: str) -> str:
        """The argument itself."""
        return text


class Choices(Choice):
    """Some of some texts, with commas between them."""

    def __init__(self, *values: str) -> None:
        super().__init__(*values)
        self.metavar += ",..."
        self.must = "some of " + ", ".join(values) + ", with commas between them"

    def accepts(self, value: Any) -> bool:
        """Whether it has only these."""
        return isinstance(value, str) and all(map(super().accepts, value.split(",")))


class Integer(Kind):
    """An integer, from ``low`` or one of some; or one of some words."""

    def __init__(
        self, low: int = 1, *, among: tuple[int, ...] = (), words: tuple[str, ...] = ()
    ) -> None:
        self.low = low
        self.among = among
        self.words = words
        self.metavar = "{" + ",".join(("N", *words)) + "}" if words else "N"
        least = f"an integer of {low} or more, below 2^31"
        self.must = "one of " + ", ".join(map(str, among)) if among else ", ".join((*words, least))

    def accepts(self, value: Any) -> bool:
        """Whether it is such an integer, or such a word."""
        if not isinstance(value, int) or isinstance(value, bool):
            return value in self.words
        return value in self.among if self.among else self.low <= value <= _MOST

    def read(self, text: str) -> int | str:
        """The argument as an integer, or the word."""
        return text if text in self.words else int(text)


class Number(Kind):
    """A finite number of at least ``low``; or above it."""

    metavar = "X"

    def __init__(self, low: float = -math.inf, *, above: bool = False) -> None:
        self.low = low
        self.above = above
        bound = f" above {low:g}" if above else f" of {low:g} or more"
        self.must = "a number" + ("" if low == -math.inf else bound)

    def accepts(self, value: Any) -> bool:
        """Whether it is such a number."""
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return False
        return math.isfinite(value) and (value > self.low if self.above else value >= self.low)

    def read(self, text: str) -> float:
        """The argument as a number."""
        return float(text)


class Numbers(Kind):
    """Finite numbers of 0 or more, at least one; on the command line with commas between them."""

    metavar = "X,X,..."
    must = "numbers of 0 or more, such as 3,1"

    def accepts(self, value: Any) -> bool:
        """Whether it is a sequence of such numbers."""
        each = Number(0)
        return isinstance(value, (list, tuple)) and bool(value) and all(map(each.accepts, value))

    def read(self, text: str) -> tuple[float, ...]:
        """The numbers of the argument."""
        return tuple(float(part) for part in text.split(","))


@dataclass(frozen=True, slots=True)
class Spec:
    """What an option is beside its name and type.

    Attributes:
        kind: What it accepts.
        help: What it does, without a full stop.
        default: What the default is, in words.
    """

    kind: Kind
    help: str
    default: str


def option(
    default: Any,
    kind: Kind,
    what: str,
    *,
    default_text: str | None = None,
) -> Any:
    """A field of a dataclass of options.

    Args:
        default: The default, or a function that makes it. Where it is None, None is accepted too.
        kind: What else is accepted.
        what: What it does, without a full stop; for ``--help`` and for the table of options.
        default_text: What the default is, in words, where it is None or made by a function.
    """
    if default_text is None:
        on_off = "on" if default else "off"
        default_text = on_off if isinstance(default, bool) else str(default)
    metadata = {"option": Spec(kind, what, default_text)}
    if isinstance(default, Callable):  # type: ignore[arg-type]
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def specs(options: Any) -> dict[str, Spec]:
    """What each option of a dataclass of them is, by name, in their order."""
    return {each.name: each.metadata["option"] for each in fields(options)}


def check(options: Any) -> None:
    """Checks every value of a dataclass of options.

    Raises:
        InvalidArgument: A value is not accepted; the message names it.
    """
    for each in fields(options):
        value = getattr(options, each.name)
        if (value is not None or each.default is not None) and not _kind(each).accepts(value):
            raise InvalidArgument(f"{each.name} is {value!r}; it must be {_kind(each).must}")


def flag(name: str) -> str:
    """The argument of an option."""
    return "--" + name.replace("_", "-")


def as_typed(text: str) -> str:
    """``text`` with the arguments of the options that it names in backticks."""
    return re.sub(r"`(\w+)`", lambda found: flag(found[1]), text)


def add_arguments(parser: argparse.ArgumentParser, options: type) -> None:
    """Gives ``parser`` an argument for each option of a dataclass of them."""
    for each in fields(options):
        spec: Spec = each.metadata["option"]
        default = each.default if each.default_factory is MISSING else each.default_factory()
        text = as_typed(f"{spec.help} (default: {spec.default})").replace("%", "%%")
        if isinstance(spec.kind, Switch):
            parser.add_argument(
                flag(each.name), action=argparse.BooleanOptionalAction, default=default, help=text
            )
        else:
            parser.add_argument(
                flag(each.name),
                action=_More if isinstance(spec.kind, Texts) else "store",
                type=_reader(spec.kind),
                default=default,
                metavar=spec.kind.metavar,
                help=text,
            )


class _More(argparse.Action):
    """Adds to what was given before."""

    def __call__(
        self, _parser: Any, namespace: argparse.Namespace, values: Any, _option: Any = None
    ) -> None:
        setattr(namespace, self.dest, (*getattr(namespace, self.dest), *values))


def _kind(each: Field[Any]) -> Kind:
    kind: Kind = each.metadata["option"].kind
    return kind


def _reader(kind: Kind) -> Callable[[str], Any]:
    """Reads an argument; what cannot be read is left to `check`, as a wrong value is."""

    def read(text: str) -> Any:
        try:
            return kind.read(text)
        except ValueError:
            return text

    return read
