"""The options as llama.cpp's own parameters of a model and of a context."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from .devices import chosen_devices

if TYPE_CHECKING:
    from ..options import Options

_SPLIT_MODES = {"none": 0, "layer": 1, "row": 2, "tensor": 3}
_LOAD_MODES = {"auto": -1, "none": 0, "mmap": 1, "mlock": 2, "mmap+mlock": 3, "dio": 4}
_FLASH_ATTENTION = {"auto": -1, "off": 0, "on": 1}
_ROPE_SCALING = {"none": 0, "linear": 1, "yarn": 2}
_CACHE_TYPES = {
    "f32": 0,
    "f16": 1,
    "bf16": 30,
    "q4_0": 2,
    "q4_1": 3,
    "q5_0": 6,
    "q5_1": 7,
    "q8_0": 8,
    "iq4_nl": 20,
}
# To llama.cpp any negative number is all.
_ALL_LAYERS = -1


def model_parameters(options: Options, library: Any) -> Any:
    """How llama.cpp is to load a model.

    Raises:
        InvalidArgument: There is no such device, or there are fewer than `tensor_split` has parts.
    """
    parameters = library.llama_model_default_params()
    layers = options.gpu_layers
    parameters.n_gpu_layers = layers if isinstance(layers, int) else _ALL_LAYERS
    parameters.split_mode = _SPLIT_MODES[options.split_mode]
    parameters.main_gpu = options.main_gpu
    parameters.load_mode = _LOAD_MODES[options.load_mode]
    if options.tensor_split is not None:
        parameters.tensor_split = _split(options.tensor_split, library.llama_max_devices())
    if (chosen := chosen_devices(options, library)) is not None:
        parameters.devices = ctypes.cast(chosen, ctypes.c_void_p)
    return parameters


def context_parameters(options: Options, library: Any, *, on_gpu: bool) -> Any:
    """How llama.cpp is to compute, but for the size of the context.

    Args:
        options: The options.
        library: llama.cpp's functions.
        on_gpu: Whether layers are on a GPU.
    """
    parameters = library.llama_context_default_params()
    parameters.n_batch = options.max_num_batched_tokens
    parameters.n_ubatch = min(options.max_num_batched_tokens, options.ubatch_size)
    parameters.n_threads = options.threads
    parameters.n_threads_batch = options.threads_batch or options.threads
    # On a processor it is no faster, and sums in half precision, differently with each number of
    # threads and of requests: their output would depend on each other. Where all share the cells
    # it does anyway, and flash attention leaves out those of others.
    chosen = on_gpu or options.quantises_values or options.kv_unified
    wanted = "auto" if chosen else "off"
    parameters.flash_attn_type = _FLASH_ATTENTION[options.flash_attn or wanted]
    parameters.type_k = _CACHE_TYPES[options.cache_type_k]
    parameters.type_v = _CACHE_TYPES[options.cache_type_v]
    parameters.offload_kqv = options.kv_offload
    if options.rope_scaling is not None:
        parameters.rope_scaling_type = _ROPE_SCALING[options.rope_scaling]
    if options.rope_scale is not None:
        parameters.rope_freq_scale = 1 / options.rope_scale
    for name in (
        "rope_freq_base",
        "rope_freq_scale",
        "yarn_orig_ctx",
        "yarn_ext_factor",
        "yarn_attn_factor",
        "yarn_beta_slow",
        "yarn_beta_fast",
    ):
        if (value := getattr(options, name)) is not None:
            setattr(parameters, name, value)
    return parameters


def _split(parts: tuple[float, ...], most: int) -> Any:
    if len(parts) > most:
        raise InvalidArgument(
            f"tensor_split has {len(parts)} parts; llama.cpp has room for {most} devices"
        )
    return (ctypes.c_float * most)(*parts)
