"""A grammar, read once by llama.cpp and copied for each output that it constrains."""

from __future__ import annotations

from typing import Any

from ....exceptions import InvalidArgument
from .library import library
from .log import LOG

_ROOT = b"root"


class Grammar:
    """A grammar of llama.cpp's, at its beginning. It frees itself."""

    _handle: Any = None

    def __init__(self, vocabulary: Any, text: str) -> None:
        """Has llama.cpp read it; may take its time, and may be called by any thread.

        Args:
            vocabulary: llama.cpp's vocabulary of the model.
            text: The grammar in llama.cpp's notation, with a rule ``root``. It must be one that
                does no harm: see `check_gbnf`.

        Raises:
            InvalidArgument: llama.cpp does not take it.
        """
        self._c = library()
        # Kept here, as at the end of the process the module may have lost it before.
        self._free = self._c.llama_sampler_free
        LOG.first_error = ""
        self._handle = self._c.llama_sampler_init_grammar(vocabulary, text.encode(), _ROOT)
        if not self._handle:
            raise InvalidArgument(
                f"llama.cpp does not take the grammar: {LOG.first_error or 'no details'}"
            )

    def copy(self) -> Any:
        """llama.cpp's handle of a copy, which is the caller's to free."""
        return self._c.llama_sampler_clone(self._handle)

    def __del__(self) -> None:
        if self._handle:
            self._free(self._handle)
