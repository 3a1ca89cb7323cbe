"""llama.cpp's functions, loaded and set up once, when the first engine wants them."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from typing import Any

from .log import LOG


def require_library() -> None:
    """Finds llama.cpp without loading it.

    Raises:
        ImportError: The extra ``llama-cpp`` is not installed.
    """
    if find_spec("llama_cpp") is None:
        raise ImportError(_missing("no module named 'llama_cpp'"))


@cache
def library() -> Any:
    """The module of llama.cpp's functions, which are called as in C.

    `llama-cpp-python` binds them through ctypes: the GIL is free for the time of each call.

    Raises:
        ImportError: The extra ``llama-cpp`` is not installed, or its library cannot be loaded.
    """
    # Threads of llama.cpp wait for each other some hundred times per token. Where another process
    # wants the same processors, the OpenMP runtime's default, waiting in a loop, takes the time
    # from just the thread that is waited for: on two busy processors 1 to 7 tokens a second instead
    # of 25 to 45. The variable is read when the library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        from llama_cpp import llama_cpp as functions
    except (ImportError, OSError, RuntimeError) as error:
        raise ImportError(_missing(error)) from error
    LOG.install(functions)
    functions.llama_backend_init()
    return functions


def _missing(why: object) -> str:
    return (
        "the llama-cpp engine needs llama-cpp-python: "
        f"pip install 'dynamo-backend-common[llama-cpp]' ({why})"
    )
