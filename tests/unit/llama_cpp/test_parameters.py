"""Options that llama.cpp itself carries out: they reach it, and what it cannot do is said."""

import ctypes
import gc

import llama_cpp
import pytest

from dynamo_backend_common.engines.llama_cpp import Options
from dynamo_backend_common.engines.llama_cpp.binding.devices import devices, uses_gpu
from dynamo_backend_common.engines.llama_cpp.binding.library import library
from dynamo_backend_common.engines.llama_cpp.binding.model import Model
from dynamo_backend_common.engines.llama_cpp.binding.parameters import (
    context_parameters,
    model_parameters,
)
from dynamo_backend_common.exceptions import InvalidArgument

PROMPT = "Once upon a time there was a lighthouse keeper who counted"
Q8_0 = llama_cpp.GGML_TYPE_Q8_0
YARN = {"rope_freq_scale": 0.25, "yarn_orig_ctx": 2048, "yarn_attn_factor": 1.5}
OUTPUT = 12


@pytest.mark.parametrize(
    ("options", "same", "other_output"),
    [
        (
            {"flash_attn": "on", "cache_type_k": "q8_0", "cache_type_v": "q8_0"},
            {"flash_attn": True, "type_k": Q8_0, "type_v": Q8_0},
            False,
        ),
        ({"cache_type_v": "q4_0"}, {"flash_attn": True, "type_v": llama_cpp.GGML_TYPE_Q4_0}, False),
        ({"rope_freq_base": 500.0}, {"rope_freq_base": 500.0}, True),
        (
            {"rope_scaling": "linear", "rope_scale": 8.0},
            {"rope_scaling_type": 1, "rope_freq_scale": 0.125},
            True,
        ),
        ({"rope_scaling": "yarn"} | YARN, {"rope_scaling_type": 2} | YARN, True),
        ({"load_mode": "none", "ubatch_size": 32, "threads_batch": 2}, {"n_ubatch": 32}, False),
    ],
)
async def test_they_are_llama_cpp_s_own(
    start, model_file, tokenize, greedy, options, same, other_output
):
    prompt = tokenize(PROMPT)
    client = await start(max_num_seqs=1, **options)
    output = await client.ask(prompt, stop={"max_tokens": OUTPUT, "ignore_eos": True})
    llama = llama_cpp.Llama(
        str(model_file.path), n_ctx=512, n_threads=1, n_threads_batch=1, verbose=False, **same
    )
    tokens = llama.generate(prompt, temp=0.0, repeat_penalty=1.0)
    assert output.tokens == [next(tokens) for _ in range(OUTPUT)]
    llama.close()
    if other_output:
        assert output.tokens != greedy(prompt, OUTPUT)


def test_a_longer_context_needs_scaled_positions(model_file):
    longer = {"context_length": 8448, "max_num_seqs": 1, "threads": 1}
    with pytest.raises(
        InvalidArgument, match=r"8192 tokens that .* \(rope_scaling yarn, rope_scale 2\)"
    ):
        Model(model_file.path, Options(**longer))
    model = Model(model_file.path, Options(**longer, rope_scaling="yarn", rope_scale=2))
    assert model.context_length == 8448
    model.close()


def test_each_parameter_has_its_place():
    options = Options(
        gpu_layers=7,
        split_mode="row",
        main_gpu=1,
        tensor_split=(3, 1),
        load_mode="mmap+mlock",
        kv_offload=False,
        rope_scaling="none",
        yarn_ext_factor=0.5,
        yarn_beta_slow=2,
        yarn_beta_fast=16,
    )
    model = model_parameters(options, library())
    gc.collect()
    assert (model.n_gpu_layers, model.split_mode, model.main_gpu, model.load_mode) == (7, 2, 1, 3)
    assert model.tensor_split[:3] == [3.0, 1.0, 0.0]
    context = context_parameters(options, library(), on_gpu=True)
    assert (context.offload_kqv, context.rope_scaling_type) == (False, 0)
    assert (context.yarn_ext_factor, context.yarn_beta_slow, context.yarn_beta_fast) == (0.5, 2, 16)


def test_layers_are_llama_cpp_s_choice_and_all_by_their_words():
    default = library().llama_model_default_params().n_gpu_layers
    assert default < 0
    for word in ("auto", "all", -1):
        assert model_parameters(Options(gpu_layers=word), library()).n_gpu_layers == default
    assert model_parameters(Options(gpu_layers=0), library()).n_gpu_layers == 0


def test_flash_attention_is_llama_cpp_s_choice_where_nothing_is_lost():
    def chosen(on_gpu, **options):
        return context_parameters(Options(**options), library(), on_gpu=on_gpu).flash_attn_type

    auto, off, on = -1, 0, 1
    assert (chosen(False), chosen(True)) == (off, auto)
    assert chosen(False, cache_type_v="q8_0") == chosen(False, kv_unified=True) == auto
    assert (chosen(False, flash_attn="on"), chosen(True, flash_attn="off")) == (on, off)


def test_layers_that_cannot_be_on_a_gpu_are_warned_of(caplog):
    has_gpu = library().llama_supports_gpu_offload()
    assert not uses_gpu(Options(gpu_layers=0), library())
    assert uses_gpu(Options(gpu_layers="auto"), library()) == has_gpu
    assert not caplog.records
    for asked in ("all", 12):
        assert uses_gpu(Options(gpu_layers=asked), library()) == has_gpu
        warning = f"gpu_layers is {asked}, but all layers stay on the processor"
        assert (warning in caplog.text) == (not has_gpu)
    assert not uses_gpu(Options(gpu_layers="all", device="none"), library())


def test_devices_are_named(model_file):
    with pytest.raises(InvalidArgument, match=r"device 'CUDA9' is none of llama\.cpp's: there is"):
        Model(model_file.path, Options(device="CUDA9"))
    assert "CPU" not in devices(library())
    chosen = model_parameters(Options(device="none"), library())
    gc.collect()
    assert ctypes.cast(chosen.devices, ctypes.POINTER(ctypes.c_void_p))[0] is None
    with pytest.raises(InvalidArgument, match="tensor_split has 99 parts"):
        Model(model_file.path, Options(tensor_split=(1,) * 99))
