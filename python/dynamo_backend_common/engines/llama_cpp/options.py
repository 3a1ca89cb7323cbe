"""What the engine can be configured with: each option once, with all that there is to say of it."""

from __future__ import annotations

import argparse
import difflib
import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidArgument
from .host import cache_ram, spare_processors
from .option import (
    Choice,
    Choices,
    Integer,
    Number,
    Numbers,
    Switch,
    Text,
    Texts,
    add_arguments,
    check,
    option,
)
from .server_names import refuse_server_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SMALLEST_PREFILL_CHUNK = 8
"""Least number of tokens that a piece of a prompt may be allowed to have."""

_DEFAULT_CONTEXT = 4096
# Whole blocks fill a context, which is a multiple of 256. Of blocks of one token, one could be the
# whole of a prompt, and that is computed as output is, see `prefill`.
_BLOCK_SIZES = (8, 16, 32, 64, 128, 256)
_UNQUANTISED = ("f32", "f16", "bf16")
_CACHE_TYPES = (*_UNQUANTISED, "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Options of the engine: the keyword arguments of `LlamaCpp`, and its command line.

    Raises:
        InvalidArgument: A value is not accepted, or does not go with another; the message says why.
    """

    model: str | None = option(
        None,
        Text("NAME"),
        "model of the Hugging Face hub, OWNER/NAME or OWNER/NAME:QUANT, which is fetched where the "
        "hub's cache does not have it; or a GGUF file",
        default_text="what `model_path` has",
    )
    model_path: str | None = option(
        None,
        Text("PATH"),
        "GGUF file",
        default_text="SmolLM2-135M-Instruct, with the extra smollm2",
    )
    context_length: int | None = option(
        None,
        Integer(),
        "tokens of prompt and output of one request together, rounded up to a multiple of 256",
        default_text=f"what the model was trained for, at most {_DEFAULT_CONTEXT}",
    )
    kv_unified: bool = option(
        False,
        Switch(),
        "one KV cache for all requests in the place of a part for each: one may be as long as the "
        "whole, and what several begin with is there once; but output may depend on who else runs",
    )
    kv_cache_tokens: int | None = option(
        None,
        Integer(),
        "tokens that all requests may have together, with `kv_unified`",
        default_text="as `context_length`",
    )
    max_num_seqs: int = option(8, Integer(), "requests that run at once; more wait in a queue")
    max_num_batched_tokens: int = option(640, Integer(), "tokens of one step at most")
    prefill_chunk: int = option(
        256,
        Integer(SMALLEST_PREFILL_CHUNK),
        "tokens of prompts in one step at most while other requests are producing output; it "
        "bounds how long a step keeps them waiting",
    )
    threads: int = option(
        spare_processors,
        Integer(),
        "threads of llama.cpp",
        default_text="one less than there are processors to use",
    )
    threads_batch: int | None = option(
        None, Integer(), "threads of llama.cpp while it reads prompts", default_text="as `threads`"
    )
    ubatch_size: int = option(
        512,
        Integer(SMALLEST_PREFILL_CHUNK),
        "tokens that llama.cpp computes at once at most; more of them take more memory",
    )
    gpu_layers: int | str = option(
        "auto",
        Integer(-1, words=("auto", "all")),
        "layers kept on GPUs; auto: all, where there is a GPU; -1: all",
    )
    split_mode: str = option(
        "layer",
        Choice("none", "layer", "row", "tensor"),
        "how several GPUs share the model: one has it all, by layers, by rows, by tensors",
    )
    main_gpu: int = option(
        0, Integer(0), "GPU that has the model where `split_mode` is none, else what is not split"
    )
    tensor_split: tuple[float, ...] | None = option(
        None, Numbers(), "what part of the model each GPU has", default_text="by their free memory"
    )
    device: str | None = option(
        None,
        Text("NAME,NAME,..."),
        "devices to use, by llama.cpp's names for them; none: the CPU alone",
        default_text="all",
    )
    load_mode: str = option(
        "auto",
        Choice("auto", "none", "mmap", "mlock", "mmap+mlock", "dio"),
        "how the file is read: mapped, kept from being swapped out, past the system's cache; auto: "
        "mapped, where the devices can do that",
    )
    flash_attn: str | None = option(
        None,
        Choice("auto", "on", "off"),
        "flash attention",
        default_text="auto on a GPU, with `kv_unified` or a quantised `cache_type_v`, else off",
    )
    cache_type_k: str = option("f16", Choice(*_CACHE_TYPES), "type of the keys in the KV cache")
    cache_type_v: str = option(
        "f16",
        Choice(*_CACHE_TYPES),
        "type of the values in the KV cache; a quantised one needs flash attention",
    )
    kv_offload: bool = option(True, Switch(), "the KV cache of a layer on a GPU is there too")
    rope_scaling: str | None = option(
        None,
        Choice("none", "linear", "yarn"),
        "how positions are scaled for a context longer than the trained one",
        default_text="as the file says",
    )
    rope_scale: float | None = option(
        None, Number(0, above=True), "how many times longer than trained", default_text="no longer"
    )
    rope_freq_base: float | None = option(
        None,
        Number(0, above=True),
        "base frequency of RoPE",
        default_text="as the file says",
    )
    rope_freq_scale: float | None = option(
        None,
        Number(0, above=True),
        "the same as `rope_scale`, as the factor 1 / `rope_scale`",
        default_text="as the file says",
    )
    yarn_orig_ctx: int | None = option(
        None,
        Integer(),
        "YaRN: the context that the model was trained for",
        default_text="as the file says",
    )
    yarn_ext_factor: float | None = option(
        None,
        Number(0),
        "YaRN: part of extrapolation; 0: interpolation alone",
        default_text="as the file says",
    )
    yarn_attn_factor: float | None = option(
        None,
        Number(0, above=True),
        "YaRN: factor of the attention's size",
        default_text="as the file says",
    )
    yarn_beta_slow: float | None = option(
        None, Number(0), "YaRN: where only interpolation begins", default_text="as the file says"
    )
    yarn_beta_fast: float | None = option(
        None, Number(0), "YaRN: where only extrapolation ends", default_text="as the file says"
    )
    kv_cache_block_size: int = option(
        16,
        Integer(among=_BLOCK_SIZES),
        "tokens of a KV block, by which the router counts and prefixes are found",
    )
    prefix_caching: bool = option(
        True,
        Switch(),
        "keep what was read of a prompt for requests that begin alike; it takes no memory of its "
        "own but `cache_ram`, and changes no output",
    )
    cache_ram: int = option(
        cache_ram,
        Integer(-1),
        "MiB of the host's memory for prompts that had to leave the KV cache; 0: none; -1: no "
        "limit",
        default_text="8192, at most a quarter of the memory",
    )

    lora: tuple[str, ...] = option(
        (),
        Texts("[NAME=]FNAME,..."),
        "GGUF files of LoRA adapters, each served as a model of its own, by default under its "
        "file's name",
        default_text="none",
    )
    lora_scaled: tuple[str, ...] = option(
        (),
        Texts("[NAME=]FNAME:SCALE,..."),
        "the same, each with the factor by which it is added; 1: as it was trained",
        default_text="none",
    )
    max_loras: int = option(8, Integer(), "LoRA adapters that may be loaded at once")
    model_draft: str | None = option(
        None,
        Text("NAME"),
        "small model with the same vocabulary, named as by `model`, which drafts tokens for the "
        "model",
        default_text="none",
    )
    spec_type: str | None = option(
        None,
        Choices("none", "draft-simple", "ngram-simple"),
        "who drafts tokens for speculative decoding: the draft model, or the prompt and output of "
        "the request itself, where the newest tokens came before; with both, the draft "
        "model only where they do not",
        default_text="the draft model where there is one, else none",
    )
    spec_draft_n_max: int = option(3, Integer(), "tokens that the draft model drafts at most")
    spec_draft_n_min: int = option(
        0, Integer(0), "tokens that the draft model drafts at least; a shorter draft is not used"
    )
    spec_draft_p_min: float = option(
        0.0, Number(0.0), "probability, up to 1, that the draft model must give a token of a draft"
    )
    spec_ngram_simple_size_n: int = option(
        12, Integer(), "tokens that must have occurred before, for what followed them to be a draft"
    )
    spec_ngram_simple_size_m: int = option(
        48, Integer(), "tokens of what followed that are a draft, at most"
    )

    embeddings: bool = option(
        False, Switch(), "serve embeddings, and nothing else; for models that are made for it"
    )
    pooling: str | None = option(
        None,
        Choice("mean", "cls", "last"),
        "how an embedding is made of those of a text's tokens",
        default_text="what the file says",
    )
    reranking: bool = option(
        False, Switch(), "serve reranking, and nothing else; for models that are made for it"
    )

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Options by their names; what is None has its default.

        Raises:
            TypeError: There is no option of such a name.
            InvalidArgument: A value is not accepted.
        """
        names = [each.name for each in fields(cls)]
        for name in given:
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                hint = f"did you mean {near[0]}?" if near else "there are " + ", ".join(names)
                raise TypeError(f"llama-cpp has no option '{name}': {hint}")
        return cls(**{name: value for name, value in given.items() if value is not None})

    def __post_init__(self) -> None:
        check(self)
        if self.embeddings and self.reranking:
            raise InvalidArgument("embeddings and reranking are both True; a worker serves one")
        if self.pooling and not self.embeddings:
            raise InvalidArgument("pooling is for embeddings, which is False")
        others = {
            "LoRA adapters are": self.lora or self.lora_scaled,
            "speculative decoding is": self.spec_types != {"none"},
        }
        for what, is_asked in others.items():
            if is_asked and (self.embeddings or self.reranking):
                raise InvalidArgument(f"{what} not supported with embeddings and reranking")
        step = self.max_num_seqs + self.prefill_chunk
        if self.max_num_batched_tokens < step:
            raise InvalidArgument(
                f"max_num_batched_tokens is {self.max_num_batched_tokens}; it must be {step} or "
                "more, the sum of max_num_seqs and prefill_chunk"
            )
        if self.kv_cache_tokens is not None:
            if not self.kv_unified:
                raise InvalidArgument(
                    "kv_cache_tokens is for kv_unified; without it each request has a part of "
                    "context_length tokens"
                )
            if self.kv_cache_tokens < (self.context_length or 0):
                raise InvalidArgument(
                    f"kv_cache_tokens is {self.kv_cache_tokens}; it must be {self.context_length} "
                    "or more, the context_length"
                )
        if self.flash_attn == "off" and self.quantises_values:
            raise InvalidArgument(
                f"cache_type_v {self.cache_type_v} needs flash attention, and flash_attn is off"
            )
        if self.rope_scale is not None and self.rope_freq_scale is not None:
            raise InvalidArgument(
                "rope_scale and rope_freq_scale are the same, one as 1 / the other: give one"
            )
        self._check_speculation()

    def _check_speculation(self) -> None:
        if self.spec_draft_p_min > 1.0:
            raise InvalidArgument(f"spec_draft_p_min is {self.spec_draft_p_min}; it must be 0 to 1")
        if self.spec_draft_n_min > self.spec_draft_n_max:
            raise InvalidArgument(
                f"spec_draft_n_min is {self.spec_draft_n_min}; it must be at most "
                f"spec_draft_n_max, {self.spec_draft_n_max}"
            )
        types = self.spec_types
        if "none" in types and len(types) > 1:
            raise InvalidArgument(f"spec_type is '{self.spec_type}'; none goes with nothing else")
        if ("draft-simple" in types) != (self.model_draft is not None):
            raise InvalidArgument(
                f"spec_type is '{self.spec_type}', and model_draft is {self.model_draft!r}; "
                "draft-simple and a draft model go together"
            )
        if types != {"none"} and self.longest_draft < 1:
            raise InvalidArgument(
                f"max_num_batched_tokens is {self.max_num_batched_tokens}; with drafts it must be "
                f"{2 * self.max_num_seqs + self.prefill_chunk} or more, twice max_num_seqs and "
                "prefill_chunk"
            )

    @property
    def extends_context(self) -> bool:
        """Whether positions are scaled, so that a context may be longer than the trained one."""
        scales = (self.rope_scale, self.rope_freq_scale, self.rope_freq_base)
        return self.rope_scaling in ("linear", "yarn") or any(map(bool, scales))

    @property
    def quantises_values(self) -> bool:
        """Whether the values in the KV cache are quantised, which needs flash attention."""
        return self.cache_type_v not in _UNQUANTISED

    @property
    def cache_ram_bytes(self) -> int:
        """Bytes for prompts that had to leave the KV cache."""
        return sys.maxsize if self.cache_ram < 0 else self.cache_ram * 2**20

    @property
    def spec_types(self) -> frozenset[str]:
        """Who drafts tokens."""
        default = "none" if self.model_draft is None else "draft-simple"
        return frozenset((self.spec_type or default).split(","))

    @property
    def longest_draft(self) -> int:
        """Tokens of a draft for which a step has room, however many requests run."""
        return (self.max_num_batched_tokens - self.prefill_chunk) // self.max_num_seqs - 1

    def context_length_for(self, trained: int) -> int:
        """The context length to use for a model that was trained for ``trained`` tokens."""
        return self.context_length or min(
            trained, _DEFAULT_CONTEXT, self.kv_cache_tokens or _DEFAULT_CONTEXT
        )

    def total_tokens_for(self, length: int) -> int:
        """Tokens that the KV cache has room for, with contexts of ``length``."""
        if self.kv_unified:
            return self.kv_cache_tokens or length
        return length * self.max_num_seqs


def parse_options(argv: Sequence[str]) -> Options:
    """Reads options from command-line arguments.

    Raises:
        SystemExit: With status 2 after a message for a wrong argument, with 0 after ``--help``.
    """
    parser = argparse.ArgumentParser(
        prog="llama-cpp",
        usage="dynamo-backend serve llama-cpp -- [options]",
        description="Options of the bundled llama.cpp engine, given after '--'.",
        allow_abbrev=False,
    )
    add_arguments(parser, Options)
    try:
        refuse_server_names(argv)
        return Options(**vars(parser.parse_args(argv)))
    except InvalidArgument as error:
        parser.error(str(error))
