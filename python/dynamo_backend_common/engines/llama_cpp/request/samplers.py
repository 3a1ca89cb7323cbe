"""Samplers that llama.cpp has beyond those of the OpenAI API, as a request asks for them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from ....exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

_BREAKERS: Final = ("\n", ":", '"', "*")
_MOST_BREAKERS = 64
_LONGEST_BREAKER = 256
# The limits of each: the least value, and the greatest.
_LIMITS: Mapping[str, tuple[float, float]] = {
    "typical_p": (0.0, 1.0),
    "top_n_sigma": (-1.0, 1e6),
    "dynatemp_range": (0.0, 100.0),
    "dynatemp_exponent": (0.0, 10.0),
    "xtc_probability": (0.0, 1.0),
    "xtc_threshold": (0.0, 1.0),
    "dry_multiplier": (0.0, 1e6),
    # Below 1 llama.cpp leaves DRY aside.
    "dry_base": (1.0, 1e6),
    "dry_allowed_length": (0, 2**20),
    "dry_penalty_last_n": (-1, 2**20),
    "mirostat": (0, 2),
    "mirostat_tau": (0.0, 1e6),
    "mirostat_eta": (0.0, 1.0),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Samplers:
    """Samplers by the names, and with the defaults, of llama.cpp's server: all of them are off.

    Attributes:
        typical_p: Probability of the candidates that are as likely as is to be expected; 1: off.
        top_n_sigma: Standard deviations that a candidate's logit may be below the best; not above
            0: off.
        dynatemp_range: How far the temperature may go from ``temperature``, by the entropy; 0: off.
        dynatemp_exponent: How it goes there.
        xtc_probability: How often all but the last of the tokens above ``xtc_threshold`` are
            dropped; 0: off.
        xtc_threshold: Probability from which on a token is one of them; above 0.5: off.
        dry_multiplier: How much less likely what goes on with a repetition is; 0: off.
        dry_base: How much more with each of its tokens, 1 or more.
        dry_allowed_length: Tokens of a repetition that cost nothing.
        dry_penalty_last_n: Tokens that are looked back at; -1: all, 0: off.
        dry_sequence_breakers: Texts that no repetition goes over.
        mirostat: Version of the algorithm, 1 or 2, that takes the place of all that cut the
            candidates; 0: off.
        mirostat_tau: The surprise that it holds to.
        mirostat_eta: How fast it goes there.
    """

    typical_p: float = 1.0
    top_n_sigma: float = -1.0
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = 64
    dry_sequence_breakers: tuple[str, ...] = _BREAKERS
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1

    @property
    def uses_dry(self) -> bool:
        """Whether DRY is on."""
        return bool(self.dry_multiplier and self.dry_penalty_last_n)

    @property
    def dry_options(self) -> dict[str, Any]:
        """What DRY is told, by the names of the binding's `Dry`."""
        return {
            "multiplier": self.dry_multiplier,
            "base": self.dry_base,
            "allowed_length": self.dry_allowed_length,
            "window": self.dry_penalty_last_n,
            "breakers": self.dry_sequence_breakers,
        }

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Samplers:
        """Reads sampling options.

        Raises:
            InvalidArgument: A value is not valid; the message names it.
        """
        given = {name: options[name] for name in NAMES if options.get(name) is not None}
        for name, value in given.items():
            if name in _LIMITS:
                _check(name, value)
        if "dry_sequence_breakers" in given:
            given["dry_sequence_breakers"] = _breakers(given["dry_sequence_breakers"])
        return cls(**given)


NAMES: Final = frozenset(field.name for field in fields(Samplers))
"""The names of the options."""


def _check(name: str, value: Any) -> None:
    low, high = _LIMITS[name]
    is_whole = isinstance(low, int)
    kind = int if is_whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        what = "an integer" if is_whole else "a number"
        raise InvalidArgument(f"{name} is {value!r}; it must be {what}, {low:g} to {high:g}")


def _breakers(given: Any) -> tuple[str, ...]:
    texts = tuple(given) if isinstance(given, list | tuple) else None
    if (
        texts is None
        or len(texts) > _MOST_BREAKERS
        or not all(isinstance(text, str) and 0 < len(text) <= _LONGEST_BREAKER for text in texts)
        or any("\0" in text for text in texts)
    ):
        raise InvalidArgument(
            f"dry_sequence_breakers is {given!r}; it must be a list of {_MOST_BREAKERS} texts at "
            f"most, each of 1 to {_LONGEST_BREAKER} characters"
        )
    return texts
