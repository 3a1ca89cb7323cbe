"""GGUF files without weights, written by the tests, and llama.cpp's own tokenizer of such a file."""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dynamo_backend_common.engines.llama_cpp.binding.library import library

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_INT32, _UINT32, _FLOAT, _BOOL, _STRING, _ARRAY, _INT8 = 5, 4, 6, 7, 8, 9, 1


def write_gguf(path: Path, values: Mapping[str, Any]) -> Path:
    """Writes a file that holds ``values`` and no tensor.

    A number is a UINT32, one in a list an INT32; bytes are a list of INT8.
    """
    entries = [_text(key) + _value(value) for key, value in values.items() if value is not None]
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries)
    path.write_bytes(head + b"\0" * (-len(head) % 32))
    return path


def _text(text: str | bytes) -> bytes:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", _BOOL, value)
        case int():
            return struct.pack("<II", _UINT32, value)
        case float():
            return struct.pack("<If", _FLOAT, value)
        case str():
            return struct.pack("<I", _STRING) + _text(value)
        case bytes():
            return struct.pack("<IIQ", _ARRAY, _INT8, len(value)) + value
        case [str(), *_] | []:
            return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(map(_text, value))
        case [float(), *_]:
            return struct.pack(f"<IIQ{len(value)}f", _ARRAY, _FLOAT, len(value), *value)
        case [int(), *_]:
            return struct.pack(f"<IIQ{len(value)}i", _ARRAY, _INT32, len(value), *value)
    raise TypeError(f"{value!r} has no type here")


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
        buffer = (self._c.ctypes.c_char * 512)()
        size = self._c.llama_token_to_piece(self.vocabulary, token, buffer, 512, 0, special)
        assert size >= 0
        return bytes(buffer[:size])

    def ends(self) -> set[int]:
        """Tokens that end a text."""
        return {n for n in range(self.size) if self._c.llama_vocab_is_eog(self.vocabulary, n)}

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
