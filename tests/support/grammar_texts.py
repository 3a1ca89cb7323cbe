"""What a grammar takes, asked of llama.cpp; and texts that it makes of chance alone."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np
from llama_cpp import llama_cpp as functions

from dynamo_backend_common.engines.llama_cpp.binding.sampler import Sampler

if TYPE_CHECKING:
    import random

    from dynamo_backend_common.engines.llama_cpp.binding.model import Model

LENGTH = 400


class GrammarTexts:
    """Grammars of a model, which decodes nothing here: only its vocabulary is needed."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._pieces = {token: model.piece(token) for token in range(model.vocab_size)}
        self._end = min(model.end_tokens)
        # Few tokens, so that the grammar is quickly asked about all of them.
        self._some = [token for token, piece in self._pieces.items() if self._is_short(piece)]

    @staticmethod
    def _is_short(piece: bytes) -> bool:
        more = ("é".encode(), "中".encode(), b'":', b'",', b'"}', b" {")
        return (len(piece) == 1 and piece.isascii()) or piece in more

    def takes(self, grammar: str, text: str) -> bool:
        """Whether ``text`` is all of an output that ``grammar`` allows."""
        sampler = Sampler()
        sampler.constrain(self._model.grammar(grammar))
        try:
            for token in self._tokens(text):
                if not self._allows(sampler, token):
                    return False
                functions.llama_sampler_accept(sampler.grammar, token)
            return self._allows(sampler, self._end)
        finally:
            sampler.close()

    def made(self, grammar: str, seed: int) -> bytes | None:
        """A text that ``grammar`` allows; None: it got too long."""
        chance = np.random.default_rng(seed)
        sampler = Sampler()
        sampler.add_temperature(1.0)
        sampler.add_random(seed)
        sampler.constrain(self._model.grammar(grammar))
        output = b""
        try:
            for _ in range(LENGTH):
                logits = np.full(self._model.vocab_size, -np.inf, dtype=np.float32)
                logits[self._some] = chance.normal(0.0, 1.0, len(self._some))
                # What ends strings, lists and objects comes often, and in the end so does the end.
                for token in self._some:
                    if self._pieces[token] in (b'"', b"}", b"]"):
                        logits[token] += 5.0
                logits[self._end] = 5.0
                chosen = self._model._candidates.choose(logits, sampler)
                if chosen is None or chosen == self._end:
                    return output
                output += self._pieces[chosen]
            return None
        finally:
            sampler.close()

    def _allows(self, sampler: Sampler, token: int) -> bool:
        one = (functions.llama_token_data * 1)()
        one[0] = functions.llama_token_data(token, 0.0, 0.0)
        array = functions.llama_token_data_array(one, 1, -1, False)
        functions.llama_sampler_apply(sampler.grammar, ctypes.byref(array))
        return bool(one[0].logit == 0.0)

    def _tokens(self, text: str) -> list[int]:
        raw = text.encode()
        room = (ctypes.c_int32 * (len(raw) + 8))()
        count = functions.llama_tokenize(
            self._model.vocabulary, raw, len(raw), room, len(room), False, False
        )
        return list(room[:count])


def some_schema(chance: random.Random, depth: int = 0) -> Any:
    """A JSON schema of chance's."""
    kinds = ["string", "sized", "integer", "number", "enum", "const", "boolean", "null", "format"]
    kinds += ["pattern", "nullable", "any"]
    if depth < 3:
        kinds += ["object", "object", "array", "tuple", "anyOf", "map", "allOf", "oneOf"] * 2
    kind = chance.choice(kinds)

    def inner() -> Any:
        return some_schema(chance, depth + 1)

    low = chance.randint(-500, 500)
    if kind == "sized":
        return {"type": "string", "minLength": low % 4, "maxLength": low % 4 + chance.randint(0, 9)}
    if kind == "integer":
        sizes: dict[str, Any] = {"minimum": low, "exclusiveMaximum": low + chance.randint(1, 3000)}
        return {"type": "integer"} | dict(
            chance.sample(sorted(sizes.items()), chance.randint(0, 2))
        )
    if kind == "number":
        first = low / chance.choice([1, 7, 1000])
        limits: dict[str, Any] = {
            "exclusiveMinimum": first,
            "maximum": first + chance.random() * 20 + 0.01,
        }
        return {"type": "number"} | dict(
            chance.sample(sorted(limits.items()), chance.randint(0, 2))
        )
    if kind in ("enum", "const"):
        values = [1, 'a\n"b\\', None, True, {"k": [1, {}]}, 2.5, "中é", []]
        return {"const": chance.choice(values)} if kind == "const" else {"enum": values[:3]}
    if kind == "format":
        names = ("date", "time", "date-time", "duration", "email", "ipv4", "ipv6", "uuid", "uri")
        return {"type": "string", "format": chance.choice(names)}
    if kind == "pattern":
        patterns = ["^[a-c]{2,4}$", "x|^y", '[^a-z]+"?$', r"^\d{3}(-\d\d)?$", r"\\|\n", "^(é|中)*$"]
        return {"pattern": chance.choice(patterns), "type": "string"}
    if kind == "nullable":
        return {"type": ["null", "integer", "string"], "maxLength": 5, "minimum": 3}
    if kind == "any":
        return chance.choice((dict[str, Any](), True))
    if kind in ("object", "map"):
        keys = chance.sample(["a", "ab", 'b"', "é", "x y", "\\n", ""], chance.randint(0, 4))
        made: dict[str, Any] = {"type": "object", "properties": {name: inner() for name in keys}}
        made["required"] = [name for name in keys if chance.random() < 0.6]
        if kind == "map" or chance.random() < 0.3:
            made["additionalProperties"] = chance.choice((True, False, {"type": "integer"}))
        return made
    if kind == "array":
        return {"items": inner(), "minItems": low % 3, "maxItems": low % 3 + chance.randint(0, 3)}
    if kind == "tuple":
        return {"prefixItems": [inner(), inner()], "items": chance.choice([False, inner()])}
    if kind == "anyOf":
        return {"anyOf": [inner(), inner()], "title": "either"}
    if kind == "oneOf":
        return {"oneOf": [{"type": "integer"}, {"type": "string", "maxLength": 3}]}
    if kind == "allOf":
        parts = [{"properties": {name: inner()}, "required": [name]} for name in ("p", "q")]
        return {"type": "object", "allOf": parts}
    return {"type": kind}
