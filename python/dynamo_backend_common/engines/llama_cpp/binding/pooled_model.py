"""A model that makes one vector of a text: an embedding, or the score of a reranker."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument, Unknown
from .devices import uses_gpu
from .log import LOG
from .model import Model
from .parameters import context_parameters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..options import Options

# Where a reranker's template has the two texts.
_PLACES = re.compile(r"\{query\}|\{document\}")


class Pooling(IntEnum):
    """How the vectors of a text's tokens become one; llama.cpp's own numbers."""

    UNSPECIFIED = -1
    NONE = 0
    MEAN = 1
    CLS = 2
    LAST = 3
    RANK = 4


class PooledModel(Model):
    """A loaded model, of an encoder or of a decoder, for vectors instead of tokens.

    Attributes:
        size: Numbers of a vector.
        pooling: How it is made.
        template: How a reranker is asked, with ``{query}`` and ``{document}``; None: by tokens that
            divide them.
    """

    pooling: Pooling

    def __init__(self, *arguments: Any) -> None:
        """As `Model` does.

        Raises:
            InvalidArgument: As `Model` says, or the file does not say how its vectors are made, and
                the options do not either.
        """
        super().__init__(*arguments)
        is_rank = self.pooling is Pooling.RANK
        size = self._c.llama_model_n_cls_out if is_rank else self._c.llama_model_n_embd_out
        self.size: int = size(self._model)
        self.template: str | None = self._rerank_template()

    def _open(self, path: Path, options: Options) -> None:
        if self._c.llama_model_has_encoder(self._model) and self._c.llama_model_has_decoder(
            self._model
        ):
            raise InvalidArgument(
                f"'{path.name}' has an encoder and a decoder, which makes no embeddings"
            )
        self.context_length = self._length(path, options)
        # Nothing is kept from one batch to the next, so there is always room.
        self.keeps_prefixes = self.shares_cells = False
        parameters = context_parameters(options, self._c, on_gpu=uses_gpu(options, self._c))
        # One vector is made of tokens that are computed together. All texts of a batch share the
        # cells, which hold nothing between two batches.
        size = max(self.context_length, options.max_num_batched_tokens)
        # llama.cpp ends the process where the one is no multiple of the other.
        size += -size % options.max_num_seqs
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = size
        parameters.n_seq_max = options.max_num_seqs
        parameters.kv_unified = True
        parameters.embeddings = True
        parameters.pooling_type = _asked(options)
        with LOG.of_call() as call:
            self._context = self._c.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise Unknown(
                f"llama.cpp cannot make a context of {size} tokens: "
                f"{call.first_error or 'no memory'}"
            )
        self.pooling = Pooling(self._c.llama_pooling_type(self._context))
        if self.pooling is Pooling.NONE:
            raise InvalidArgument(
                f"'{path.name}' does not say how an embedding is made of its tokens: give pooling"
                " (--pooling), mean, cls or last, as its makers say"
            )
        if self.pooling is Pooling.RANK and not options.reranking:
            raise InvalidArgument(
                f"'{path.name}' is a reranker, which makes scores: serve it with --reranking"
            )

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """The tokens of a text; from any thread.

        Args:
            text: The text.
            add_special: Put in what the model wants at a text's beginning and end.
            parse_special: Take the text of a special token for that token.
        """
        data = text.encode()
        room = len(data) + 8
        while True:
            tokens = (self._c.llama_token * room)()
            count: int = self._c.llama_tokenize(
                self.vocabulary, data, len(data), tokens, room, add_special, parse_special
            )
            if count >= 0:
                return list(tokens[:count])
            room = -count

    def cut(self, tokens: list[int], longest: int) -> list[int]:
        """The tokens of a text, not more than ``longest``, with what the model wants at its end.

        Args:
            tokens: What `tokenize` found, with the special tokens.
            longest: As many as there may be, at least one.
        """
        if len(tokens) <= longest:
            return tokens
        around = self.tokenize("", add_special=True, parse_special=False)
        end = around[1:] if self._c.llama_vocab_get_add_bos(self.vocabulary) else around
        return [*tokens[: max(longest - len(end), 0)], *end][:longest]

    def pair(self, query: str, document: str) -> list[int]:
        """The tokens by which a reranker is asked how well a document answers a query."""
        if self.template is not None:
            # In one go: a query may itself have the word.
            texts = {"{query}": query, "{document}": document}
            text = _PLACES.sub(lambda place: texts[place[0]], self.template)
            return self.tokenize(text, add_special=False, parse_special=True)
        c, vocabulary = self._c, self.vocabulary
        eos, separator = c.llama_vocab_eos(vocabulary), c.llama_vocab_sep(vocabulary)
        begin = [c.llama_vocab_bos(vocabulary)] if c.llama_vocab_get_add_bos(vocabulary) else []
        end = [eos if eos >= 0 else separator] if c.llama_vocab_get_add_eos(vocabulary) else []
        between = [separator] if c.llama_vocab_get_add_sep(vocabulary) else []
        asked = self.tokenize(query, add_special=False, parse_special=False)
        answer = self.tokenize(document, add_special=False, parse_special=False)
        return [*begin, *asked, *end, *between, *answer, *end]

    def vectors(self, texts: Sequence[Sequence[int]]) -> list[Any]:
        """The vector of each text, an array of 32-bit floats.

        Args:
            texts: Tokens of each, at least one; at most `max_num_seqs` texts, and together not more
                tokens than `max_num_batched_tokens`.

        Raises:
            RuntimeError: llama.cpp failed.
            Interrupted: It was interrupted.
        """
        import numpy as np  # a dependency of llama-cpp-python

        for sequence, tokens in enumerate(texts):
            for position, token in enumerate(tokens):
                self.add(token, position, sequence, sample=True)
        if self._memory:
            self._c.llama_memory_clear(self._memory, False)
        self.decode()
        found = []
        for sequence in range(len(texts)):
            pointer = self._c.llama_get_embeddings_seq(self._context, sequence)
            if not pointer:
                raise RuntimeError("llama_get_embeddings_seq has no vector of a text")
            found.append(np.ctypeslib.as_array(pointer, (self.size,)).copy())
        return found

    def _rerank_template(self) -> str | None:
        found = self._c.llama_model_chat_template(self._model, b"rerank")
        return None if found is None else found.decode(errors="replace")


def _asked(options: Options) -> int:
    if options.reranking:
        return Pooling.RANK
    return Pooling[options.pooling.upper()] if options.pooling else Pooling.UNSPECIFIED
