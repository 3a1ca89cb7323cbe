"""llama.cpp's own tokenizer of a GGUF file."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dynamo_backend_common.engines.llama_cpp.binding.library import library

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class LlamaVocabulary:
    """A file's vocabulary in llama.cpp.

    Attributes:
        vocabulary: llama.cpp's own handle.
        size: Number of tokens.
    """

    def __init__(self, model: Any) -> None:
        self._c = library()
        self.vocabulary = self._c.llama_model_get_vocab(model)
        self.size: int = self._c.llama_vocab_n_tokens(self.vocabulary)

    def ids(self, text: str, *, add_special: bool = False) -> list[int]:
        """Tokens of a text; special ones are found in it."""
        data = text.encode()
        room = 2 * len(data) + 16
        tokens = (self._c.llama_token * room)()
        count = self._c.llama_tokenize(
            self.vocabulary, data, len(data), tokens, room, add_special, True
        )
        assert count >= 0
        return list(tokens[:count])

    def text(self, tokens: list[int], *, special: bool = True) -> str:
        """The pieces of tokens, joined."""
        return b"".join(self._piece(token, special) for token in tokens).decode("utf-8", "replace")

    def _piece(self, token: int, special: bool) -> bytes:
        buffer = ctypes.create_string_buffer(512)
        size = self._c.llama_token_to_piece(self.vocabulary, token, buffer, 512, 0, special)
        assert size >= 0
        return buffer.raw[:size]

    def special(self, name: str) -> int | None:
        """The number of ``bos``, ``eos``, ``eot``, ``sep`` or ``pad``; None: there is none."""
        number: int = getattr(self._c, f"llama_vocab_{name}")(self.vocabulary)
        return None if number < 0 else number


@contextmanager
def llama_vocabulary(path: Path, *, pre: str | None = None) -> Iterator[LlamaVocabulary]:
    """Loads a file's vocabulary, and nothing else of it, with ``pre`` as its pre-tokenizer."""
    c = library()
    parameters = c.llama_model_default_params()
    parameters.vocab_only = True
    if pre is not None:
        overrides = (c.llama_model_kv_override * 2)()
        overrides[0].tag = c.LLAMA_KV_OVERRIDE_TYPE_STR
        overrides[0].key = b"tokenizer.ggml.pre"
        overrides[0].value.val_str = pre.encode()
        parameters.kv_overrides = overrides
    model = c.llama_model_load_from_file(str(path).encode(), parameters)
    assert model, f"llama.cpp cannot load the vocabulary of {path}"
    try:
        yield LlamaVocabulary(model)
    finally:
        c.llama_model_free(model)
