"""What an output is held to: a JSON schema, a regular expression and the like, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS = ("json", "regex", "choice", "grammar", "structural_tag")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "json": (str, dict),
    "regex": (str,),
    "choice": (list,),
    "grammar": (str,),
    "structural_tag": (str, dict),
    "whitespace_pattern": (str,),
    "backend": (str,),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class GuidedDecoding:
    """What an output is held to, by a response format, a forced tool call, or ``guided_…``.

    ::

        guided = GuidedDecoding.read(sampling_options(request).get("guided_decoding"))

    `GenerationOptions` has it, too.

    Attributes:
        kind: ``json``, ``regex``, ``choice``, ``grammar`` or ``structural_tag``.
        value: By kind: a JSON schema as an object or its text, a regular expression, texts to
            choose from, a grammar, or a structural tag as an object or its text.
        whitespace_pattern: What may stand between the parts of JSON, as a regular expression; None:
            the engine's own choice.
        backend: The implementation that is asked for; None: the engine's own choice.
    """

    kind: str
    value: Any
    whitespace_pattern: str | None = None
    backend: str | None = None

    @classmethod
    def read(cls, guided: Mapping[str, Any] | None) -> GuidedDecoding | None:
        """Reads ``guided_decoding`` of a request's sampling options.

        Args:
            guided: What it has there.

        Returns:
            The constraint, or None where there is none.

        Raises:
            InvalidArgument: There are several, one of another type, or something that is not known.
        """
        if guided is not None and not hasattr(guided, "items"):
            raise InvalidArgument(f"guided_decoding is {guided!r}; it must be an object")
        given = {name: value for name, value in (guided or {}).items() if value is not None}
        if given.get("choice") == []:
            del given["choice"]
        for name, value in given.items():
            if name not in _TYPES:
                raise InvalidArgument(
                    f"guided_decoding.{name} is not known; it has one of {', '.join(_TYPES)}"
                )
            if not isinstance(value, _TYPES[name]):
                allowed = " or ".join(kind.__name__ for kind in _TYPES[name])
                raise InvalidArgument(f"guided_decoding.{name} is {value!r}; it must be {allowed}")
        kinds = [kind for kind in _KINDS if kind in given]
        if not kinds:
            return None
        if len(kinds) > 1:
            raise InvalidArgument(
                f"guided_decoding has {' and '.join(kinds)}; an output is held to one of them"
            )
        if not all(isinstance(choice, str) for choice in given.get("choice") or ()):
            raise InvalidArgument(
                "guided_decoding.choice has what is no str; it must be a list of str"
            )
        return cls(
            kind=kinds[0],
            value=given[kinds[0]],
            whitespace_pattern=given.get("whitespace_pattern"),
            backend=given.get("backend"),
        )
