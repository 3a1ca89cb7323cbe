"""The prompt of a request, read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """What a request begins with.

    ::

        prompt = Prompt.read(request, vocab_size=32000, context_length=8192)

    Attributes:
        token_ids: Its tokens, at least one.
        cache_salt: What keeps the KV cache of the request apart from that of requests with another
            salt, or with none; None: nothing.
    """

    token_ids: tuple[int, ...]
    cache_salt: str | None = None

    @classmethod
    def read(
        cls, request: Mapping[str, Any], *, vocab_size: int, context_length: int | None = None
    ) -> Prompt:
        """Reads a request.

        Args:
            request: Dynamo's request.
            vocab_size: Number of tokens of the vocabulary.
            context_length: Tokens that prompt and output may have together; None: no check.

        Raises:
            InvalidArgument: There is no prompt, it is longer than the context, has what is no token
                of the vocabulary, or the salt is no text.
        """
        given = request.get("token_ids")
        if not isinstance(given, Sequence) or isinstance(given, str | bytes):
            raise InvalidArgument(f"token_ids is {type(given).__name__}; it must be a list of int")
        tokens = tuple(given)
        if not tokens:
            raise InvalidArgument("the prompt is empty: token_ids must have at least one token")
        if context_length is not None and len(tokens) > context_length:
            raise InvalidArgument(
                f"the prompt has {len(tokens)} tokens, the context {context_length}: shorten the "
                "prompt, or serve with a larger --context-length"
            )
        # All at once, as a prompt can be long; one by one only to name what is wrong.
        if set(map(type, tokens)) != {int} or min(tokens) < 0 or max(tokens) >= vocab_size:
            wrong = next(
                token for token in tokens if type(token) is not int or not 0 <= token < vocab_size
            )
            raise InvalidArgument(f"token_ids has {wrong!r}; tokens are 0 to {vocab_size - 1}")
        return cls(token_ids=tokens, cache_salt=_cache_salt(request))


def _cache_salt(request: Mapping[str, Any]) -> str | None:
    salt = (request.get("routing") or {}).get("cache_salt")
    if salt is None:
        salt = ((request.get("extra_args") or {}).get("nvext") or {}).get("cache_salt")
    if salt is not None and not isinstance(salt, str):
        raise InvalidArgument(f"cache_salt is {salt!r}; it must be a text")
    return salt or None
