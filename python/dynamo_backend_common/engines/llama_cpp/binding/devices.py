"""The devices that llama.cpp can compute on beside the processor."""

from __future__ import annotations

import ctypes
import logging
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument

if TYPE_CHECKING:
    from ..options import Options

logger = logging.getLogger(__name__)

_CPU = 0
_NO_DEVICE = "none"


def devices(library: Any) -> dict[str, int]:
    """llama.cpp's handles of its devices but for processors, by its names for them."""
    # Functions of ggml, which libllama is linked against and the bindings do not list.
    ggml = library._lib  # noqa: SLF001 (the only handle that there is)
    count, get, name, kind = (
        ggml.ggml_backend_dev_count,
        ggml.ggml_backend_dev_get,
        ggml.ggml_backend_dev_name,
        ggml.ggml_backend_dev_type,
    )
    count.restype, get.restype, name.restype = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_char_p
    get.argtypes = [ctypes.c_size_t]
    name.argtypes = kind.argtypes = [ctypes.c_void_p]
    found = [get(number) for number in range(count())]
    return {name(each).decode(): each for each in found if kind(each) != _CPU}


def chosen_devices(options: Options, library: Any) -> Any:
    """The list of devices that llama.cpp is to use; None: its own choice.

    Raises:
        InvalidArgument: There is no device of such a name.
    """
    if options.device is None:
        return None
    there = devices(library)
    names = [] if options.device == _NO_DEVICE else options.device.split(",")
    for each in names:
        if each not in there:
            raise InvalidArgument(
                f"device '{each}' is none of llama.cpp's: there is "
                + (", ".join(there) or "only the processor (none)")
            )
    # It ends with a null pointer.
    return (ctypes.c_void_p * (len(names) + 1))(*(there[each] for each in names))


def uses_gpu(options: Options, library: Any) -> bool:
    """Whether layers will be on a GPU; warns where they were asked for and cannot be."""
    asked = options.gpu_layers not in ("auto", 0)
    if library.llama_supports_gpu_offload():
        return options.gpu_layers != 0 and options.device != _NO_DEVICE
    if asked:
        logger.warning(
            "gpu_layers is %s, but all layers stay on the processor: llama.cpp finds no GPU, or "
            "was built without what uses one; llama-cpp-python's own page says how to build it so",
            options.gpu_layers,
        )
    return False
