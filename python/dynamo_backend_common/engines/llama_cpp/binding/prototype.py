"""A sampler at its beginning, made once by llama.cpp and copied for each output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .library import library

if TYPE_CHECKING:
    from collections.abc import Iterable


class Prototype:
    """A sampler of llama.cpp's that is only copied. It frees itself."""

    _handle: Any = None

    def __init__(self, handle: Any) -> None:
        """Takes charge of llama.cpp's handle."""
        self._c = library()
        # Kept here, as at the end of the process the module may have lost it before.
        self._free = self._c.llama_sampler_free
        self._handle = handle

    def copy(self) -> Any:
        """llama.cpp's handle of a copy, which is the caller's to free."""
        return self._c.llama_sampler_clone(self._handle)

    def accept(self, tokens: Iterable[int]) -> None:
        """Tells it of tokens that stand before each output; takes its time where they are many."""
        accept, handle = self._c.llama_sampler_accept, self._handle
        for token in tokens:
            accept(handle, token)

    def __del__(self) -> None:
        if self._handle:
            self._free(self._handle)
