"""What an update is called with, read key by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ....exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def refuse_unknown(update: str, body: Mapping[str, Any], keys: Sequence[str]) -> None:
    """Refuses what is not among ``keys``.

    Raises:
        InvalidArgument: ``body`` has such a key.
    """
    unknown = sorted(key for key, value in body.items() if value is not None and key not in keys)
    if unknown:
        known = ", ".join(keys) or "none"
        raise InvalidArgument(f"{update}: unknown key {unknown[0]!r}; known: {known}")


def required_text(update: str, body: Mapping[str, Any], key: str) -> str:
    """A text that must be there.

    Raises:
        InvalidArgument: It is missing, empty or no text.
    """
    value = body.get(key)
    if value is None:
        raise InvalidArgument(f"{update}: {key} is missing")
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgument(f"{update}: {key} is {value!r}; it must be a text that is not empty")
    return value


def path_in(update: str, body: Mapping[str, Any]) -> str:
    """The path in ``lora_path``, or in the URI of ``source``.

    Raises:
        InvalidArgument: There is neither, or the URI is of no file here.
    """
    if body.get("lora_path") is not None:
        return required_text(update, body, "lora_path")
    source = body.get("source")
    uri = source.get("uri") if isinstance(source, dict) else None
    if not isinstance(uri, str) or not uri:
        raise InvalidArgument(f"{update}: give lora_path, or source with a uri")
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
        raise InvalidArgument(
            f"{update}: source.uri is {uri!r}; accepted: file:///PATH; fetch another into a file "
            "first"
        )
    return unquote(parts.path)
