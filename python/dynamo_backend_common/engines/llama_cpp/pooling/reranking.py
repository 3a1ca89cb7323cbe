"""A request to the endpoint of reranking, and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from .request_fields import check_length, flag, refuse_unknown, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..binding.pooled_model import PooledModel

_FIELDS = ("query", "documents", "top_n", "return_documents")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reranking:
    """Documents that are to be put in order.

    Attributes:
        documents: Their texts.
        texts: Tokens of the query with each.
        top_n: How many of them are wanted; None: all.
        returns_documents: Whether the answer has their texts.
    """

    documents: list[str]
    texts: list[list[int]]
    top_n: int | None
    returns_documents: bool

    @classmethod
    def read(cls, request: Mapping[str, Any], model: PooledModel) -> Reranking:
        """Reads a request, and tokenizes the query with each document.

        Raises:
            InvalidArgument: Something in it cannot be served; the message names it.
        """
        refuse_unknown(request, _FIELDS)
        query, documents = request.get("query"), request.get("documents")
        if not isinstance(query, str):
            raise InvalidArgument("query must be a text")
        if not isinstance(documents, list) or not all(isinstance(each, str) for each in documents):
            raise InvalidArgument("documents must be a list of texts")
        if not documents:
            raise InvalidArgument("documents is empty: it must have at least one text")
        texts = [model.pair(query, document) for document in documents]
        for place, text in enumerate(texts):
            check_length(f"the query with document {place}", text, model.longest)
        return cls(
            documents=documents,
            texts=texts,
            top_n=whole(request, "top_n"),
            returns_documents=flag(request, "return_documents", default=True),
        )

    def answer(self, vectors: Sequence[Any]) -> list[dict[str, Any]]:
        """The best documents, the best first: llama.cpp's own score of each."""
        scores = [float(vector[0]) for vector in vectors]
        order = sorted(range(len(scores)), key=lambda place: -scores[place])
        found: list[dict[str, Any]] = []
        for place in order[: self.top_n]:
            result: dict[str, Any] = {"score": scores[place], "index": place}
            if self.returns_documents:
                result["document"] = self.documents[place]
            found.append(result)
        return found
