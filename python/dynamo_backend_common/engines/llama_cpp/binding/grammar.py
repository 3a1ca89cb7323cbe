"""A grammar, read once by llama.cpp and copied for each output that it constrains."""

from __future__ import annotations

from typing import Any

from ....exceptions import InvalidArgument
from .library import library
from .log import LOG
from .prototype import Prototype

_ROOT = b"root"


class Grammar(Prototype):
    """A grammar of llama.cpp's, at its beginning."""

    def __init__(self, vocabulary: Any, text: str) -> None:
        """Has llama.cpp read it; may take its time, and may be called by any thread.

        Args:
            vocabulary: llama.cpp's vocabulary of the model.
            text: The grammar in llama.cpp's notation, with a rule ``root``. It must be one that
                does no harm: see `check_gbnf`.

        Raises:
            InvalidArgument: llama.cpp does not take it.
        """
        with LOG.of_call() as call:
            super().__init__(library().llama_sampler_init_grammar(vocabulary, text.encode(), _ROOT))
        if not self._handle:
            raise InvalidArgument(
                f"llama.cpp does not take the grammar: {call.first_error or 'no details'}"
            )
