"""A grammar that is being written: its rules, each of them once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ....exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_REPETITIONS: Final = 65536
"""How often something may be repeated where a limit is given; more than fits most contexts."""

LARGEST: Final = 1 << 18
"""Characters of a grammar at most."""
EMPTY: Final = '""'
"""The expression of the empty text."""

# llama.cpp makes a rule of each repetition, and refuses more than 2000 of one symbol.
_BLOCK = 512


class Rules:
    """The rules of a grammar, under names of their own; equal ones are one."""

    def __init__(self) -> None:
        """Begins without a rule."""
        self._bodies: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._size = 0

    def add(self, body: str) -> str:
        """Adds a rule, unless it is there.

        Args:
            body: What follows ``::=``.

        Returns:
            Its name.

        Raises:
            InvalidArgument: The grammar is too large.
        """
        name = self._names.get(body)
        if name is None:
            name = self._names[body] = self.reserve()
            self.define(name, body)
        return name

    def reserve(self) -> str:
        """A name of a rule that is defined later, which may refer to itself."""
        name = f"r{len(self._bodies)}"
        self._bodies[name] = ""
        return name

    def define(self, name: str, body: str) -> None:
        """Says what a reserved name stands for.

        Raises:
            InvalidArgument: The grammar is too large.
        """
        self._bodies[name] = body
        self._size += len(body)
        if self._size > LARGEST:
            raise InvalidArgument(
                f"the grammar has more than {LARGEST} characters: make the schema or the pattern "
                "smaller"
            )

    def one_of(self, branches: Iterable[str]) -> str:
        """An expression for one of some, which stands in a sequence as it is."""
        different = list(dict.fromkeys(branches))
        return different[0] if len(different) == 1 else self.add(" | ".join(different))

    def repeated(self, symbol: str, low: int, high: int | None) -> str:
        """An expression for a symbol that is repeated.

        Args:
            symbol: The name of a rule that is never empty, or a class of characters.
            low: How often at least, up to `MOST_REPETITIONS`.
            high: How often at most; None: no limit. Above `MOST_REPETITIONS` it is that.
        """
        if high is None:
            return f"{self._times(symbol, low)} {symbol}*"
        return (
            f"{self._times(symbol, low)} {self._up_to(symbol, min(high, MOST_REPETITIONS) - low)}"
        )

    def text(self, root: str) -> str:
        """The whole grammar.

        Args:
            root: What an output must be: an expression.
        """
        return "\n".join(
            [f"root ::= {root}", *(f"{name} ::= {body}" for name, body in self._bodies.items())]
        )

    def _times(self, symbol: str, count: int) -> str:
        blocks, rest = divmod(count, _BLOCK)
        parts = [f"{self._block(symbol)}{{{blocks}}}"] if blocks else []
        return " ".join([*parts, f"{symbol}{{{rest}}}"] if rest else parts)

    def _up_to(self, symbol: str, count: int) -> str:
        blocks, rest = divmod(count, _BLOCK)
        found = f"{symbol}{{0,{rest}}}" if rest else ""
        for _ in range(blocks):
            fewer = f"{symbol}{{0,{_BLOCK - 1}}}"
            found = self.add(f"{self._block(symbol)} {found} | {fewer}")
        return found

    def _block(self, symbol: str) -> str:
        return self.add(f"{symbol}{{{_BLOCK}}}")
