"""The token that begins a prompt, where the model wants one and the prompt has none.

The frontend adds none to a text; a chat's template writes it. A model that was trained with it may
answer with nonsense without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def with_beginning(request: Mapping[str, Any], begin_token: int | None) -> Mapping[str, Any]:
    """The request, its prompt beginning with ``begin_token``.

    Args:
        request: Dynamo's request.
        begin_token: The token; None: the model wants none.
    """
    tokens = request.get("token_ids")
    if begin_token is None or not isinstance(tokens, Sequence) or isinstance(tokens, str | bytes):
        return request
    if not tokens or tokens[0] == begin_token:
        return request
    return {**request, "token_ids": [begin_token, *tokens]}
