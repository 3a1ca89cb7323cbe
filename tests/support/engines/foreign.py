"""Engines of libraries, and objects that hand over something else."""

from __future__ import annotations

import argparse
import ctypes
from typing import Any


class Str(ctypes.Structure):
    _fields_ = (("ptr", ctypes.c_char_p), ("len", ctypes.c_size_t))


class Engine(ctypes.Structure):
    _fields_ = (("table", ctypes.c_void_p), ("data", ctypes.c_void_p))


class Answer(ctypes.Structure):
    _fields_ = (
        ("text", Str),
        ("owner", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("kind", ctypes.c_uint32),
    )


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
# The name is not copied: it is a constant here.
_new_capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
NAME = ctypes.create_string_buffer(b"dynamo_engine")
OTHER_NAME = ctypes.create_string_buffer(b"arrow_array_stream")


class OfLibrary:
    """Hands over what the library's ``dynamo_engine_new`` makes of the arguments."""

    def __init__(self, path: str, arguments: str) -> None:
        self._library = ctypes.CDLL(path)
        self._library.dynamo_engine_new.restype = ctypes.c_uint32
        self._arguments = arguments.encode()
        self._made: list[Engine] = []

    @classmethod
    def from_args(cls, argv: list[str]) -> OfLibrary:
        parser = argparse.ArgumentParser()
        parser.add_argument("path")
        parser.add_argument("arguments", nargs="?", default="")
        options = parser.parse_args(argv)
        return cls(options.path, options.arguments)

    @property
    def released(self) -> int:
        """How many engines of the library were released."""
        return ctypes.c_uint.in_dll(self._library, "released").value

    def __dynamo_engine__(self, version: int) -> Any:
        engine, answer = Engine(), Answer()
        self._made.append(engine)
        arguments = Str(self._arguments, len(self._arguments))
        status = self._library.dynamo_engine_new(
            arguments, ctypes.byref(engine), ctypes.byref(answer)
        )
        assert status == 1
        return _new_capsule(ctypes.byref(engine), NAME, None)


class Raises:
    def __dynamo_engine__(self, version: int) -> Any:
        raise FileNotFoundError("no weights")


class GivesInt:
    def __dynamo_engine__(self, version: int) -> Any:
        return 7


class GivesOtherCapsule:
    def __dynamo_engine__(self, version: int) -> Any:
        return _new_capsule(ctypes.byref(Engine()), OTHER_NAME, None)


class GivesNamelessCapsule:
    def __dynamo_engine__(self, version: int) -> Any:
        return _new_capsule(ctypes.byref(Engine()), None, None)


class TakesNoVersion:
    def __dynamo_engine__(self) -> Any:
        raise AssertionError("never called")


class GivesOneTwice(OfLibrary):
    """Hands the first capsule over again."""

    def __init__(self, path: str, arguments: str) -> None:
        super().__init__(path, arguments)
        self._capsule = super().__dynamo_engine__(0)

    def __dynamo_engine__(self, version: int) -> Any:
        return self._capsule


class Both(OfLibrary):
    """Has all methods of an engine in Python, too, which nobody calls."""

    async def start(self, worker_id: int) -> Any:
        raise AssertionError("the engine in Python was started")

    async def generate(self, request: Any, context: Any) -> Any:
        raise AssertionError("the engine in Python was asked")
        yield

    async def cleanup(self) -> None:
        raise AssertionError("the engine in Python was cleaned up")

    def configure(self, config: Any) -> Any:
        print("configured", flush=True)
        return config
