"""A request to the endpoint of embeddings, and its answer."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from .request_fields import check_length, flag, refuse_unknown, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..binding.pooled_model import PooledModel

_FIELDS = (
    "input",
    "encoding_format",
    "dimensions",
    "add_special_tokens",
    "truncate_prompt_tokens",
)
# As vLLM has it: a text is cut to what the context has room for.
_CUT_TO_CONTEXT = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class Embeddings:
    """What is to be embedded, and how it is to be answered.

    Attributes:
        model: The model as the request names it.
        texts: Tokens of each text.
        in_base64: Whether vectors are encoded, as bytes of 32-bit floats.
    """

    model: str
    texts: list[list[int]]
    in_base64: bool

    @classmethod
    def read(cls, request: Mapping[str, Any], model: PooledModel) -> Embeddings:
        """Reads a request, and tokenizes what is text in it.

        Raises:
            InvalidArgument: Something in it cannot be served; the message names it.
        """
        refuse_unknown(request, _FIELDS)
        form = request.get("encoding_format") or "float"
        if form not in ("float", "base64"):
            raise InvalidArgument(f"encoding_format is {form!r}; it must be float or base64")
        dimensions = whole(request, "dimensions")
        if dimensions not in (None, model.size):
            raise InvalidArgument(
                f"dimensions is {dimensions}; this model's embeddings have {model.size}, and "
                "cannot be shortened"
            )
        add_special = flag(request, "add_special_tokens", default=True)
        longest = whole(request, "truncate_prompt_tokens", least=_CUT_TO_CONTEXT)
        if longest == 0:
            raise InvalidArgument("truncate_prompt_tokens is 0; it must be 1 or more, or -1")
        if longest == _CUT_TO_CONTEXT:
            longest = model.context_length
        texts = []
        for place, text in enumerate(_inputs(request.get("input"))):
            if isinstance(text, str):
                tokens = model.tokenize(text, add_special=add_special, parse_special=True)
                if add_special and longest is not None:
                    tokens = model.cut(tokens, longest)
            else:
                tokens = _checked(text, model.vocab_size)
            texts.append(tokens[:longest])
            check_length(f"input {place}", texts[-1], model.context_length)
        return cls(model=str(request.get("model")), texts=texts, in_base64=form == "base64")

    def answer(self, vectors: Sequence[Any]) -> dict[str, Any]:
        """The answer: each vector with a length of 1, and how many tokens they are of."""
        count = sum(map(len, self.texts))
        return {
            "object": "list",
            "model": self.model,
            "data": [
                {"object": "embedding", "index": place, "embedding": self._encoded(vector)}
                for place, vector in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": count, "total_tokens": count},
        }

    def _encoded(self, vector: Any) -> str | list[float]:
        normal = normalized(vector)
        if self.in_base64:
            return base64.b64encode(normal.astype("<f4").tobytes()).decode()
        found: list[float] = normal.tolist()
        return found


def normalized(vector: Any) -> Any:
    """``vector`` with a length of 1; one of zeros stays."""
    import numpy as np  # a dependency of llama-cpp-python

    length = float(np.linalg.norm(vector.astype(np.float64)))
    return vector if length == 0.0 else (vector / length).astype(np.float32)


def _inputs(given: Any) -> list[str | list[Any]]:
    """The texts, of which each may be tokens."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and given:
        if all(isinstance(each, int) for each in given):
            return [given]
        if all(isinstance(each, str) for each in given) or all(
            isinstance(each, list) for each in given
        ):
            return given
    raise InvalidArgument("input must be a text, a list of texts, tokens, or a list of tokens")


def _checked(tokens: list[Any], vocab_size: int) -> list[int]:
    for token in tokens:
        if not isinstance(token, int) or isinstance(token, bool) or not 0 <= token < vocab_size:
            raise InvalidArgument(f"input has {token!r}; tokens are 0 to {vocab_size - 1}")
    return tokens
