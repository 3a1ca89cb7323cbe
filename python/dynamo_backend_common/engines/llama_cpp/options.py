"""What the engine can be configured with, and the command line of it."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from ...exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALLEST_PREFILL_CHUNK = 8
"""Least number of tokens that a piece of a prompt may be allowed to have."""

_DEFAULT_CONTEXT = 4096
# Whole blocks fill a context, which is a multiple of 256. Of blocks of one token, one could be the
# whole of a prompt, and that is computed as output is, see `prefill`.
_BLOCK_SIZES = (8, 16, 32, 64, 128, 256)


def _spare_processors() -> int:
    """Processors that this process may use, but for one: the worker itself needs it."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max((usable or 1) - 1, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Options of the engine; the keyword arguments of `LlamaCpp`.

    Attributes:
        model_path: Path of a GGUF file. None: SmolLM2-135M-Instruct of the extra ``smollm2``.
        context_length: Tokens that prompt and output of one request may have together; rounded up
            to a multiple of 256. None: what the model was trained for, but at most 4096. The memory
            for all sequences is taken at the start.
        max_num_seqs: Requests that run at once; more wait in a queue.
        max_num_batched_tokens: Tokens of one step at most.
        prefill_chunk: Tokens of prompts in one step at most while other requests are producing
            output; it bounds how long a step keeps them waiting. At least 8.
        threads: Threads of llama.cpp; by default one less than there are processors to use. They
            sleep while they wait for each other; on a machine that does nothing else,
            ``OMP_WAIT_POLICY=active`` in the environment makes several of them faster.
        gpu_layers: Layers that are kept on a GPU, where llama.cpp was built for one; -1: all.
        kv_cache_block_size: Tokens of a KV block, by which the router counts and prefixes are kept:
            8, 16, 32, 64, 128 or 256.
        prefix_caching: Whether what was read of a prompt is kept for requests that begin alike. It
            takes no memory of its own, and no output is another with it.
    """

    model_path: str | None = None
    context_length: int | None = None
    max_num_seqs: int = 8
    max_num_batched_tokens: int = 512
    prefill_chunk: int = 128
    threads: int = field(default_factory=_spare_processors)
    gpu_layers: int = 0
    kv_cache_block_size: int = 16
    prefix_caching: bool = True

    def __post_init__(self) -> None:
        for name in (
            "context_length",
            "max_num_seqs",
            "max_num_batched_tokens",
            "prefill_chunk",
            "threads",
        ):
            value = getattr(self, name)
            if value is None and name == "context_length":
                continue
            if not isinstance(value, int) or value < 1:
                raise InvalidArgument(f"{name} is {value!r}; it must be an integer of 1 or more")
        if self.prefill_chunk < SMALLEST_PREFILL_CHUNK:
            raise InvalidArgument(
                f"prefill_chunk is {self.prefill_chunk}; "
                f"it must be {SMALLEST_PREFILL_CHUNK} or more"
            )
        if self.kv_cache_block_size not in _BLOCK_SIZES:
            raise InvalidArgument(
                f"kv_cache_block_size is {self.kv_cache_block_size!r}; it must be one of "
                + ", ".join(map(str, _BLOCK_SIZES))
            )
        if not isinstance(self.prefix_caching, bool):
            raise InvalidArgument(
                f"prefix_caching is {self.prefix_caching!r}; it must be True or False"
            )
        step = self.max_num_seqs + self.prefill_chunk
        if self.max_num_batched_tokens < step:
            raise InvalidArgument(
                f"max_num_batched_tokens is {self.max_num_batched_tokens}; it must be {step} or "
                "more, the sum of max_num_seqs and prefill_chunk"
            )

    def context_length_for(self, trained: int) -> int:
        """The context length to use for a model that was trained for ``trained`` tokens."""
        return self.context_length or min(trained, _DEFAULT_CONTEXT)


_HELP = {
    "model_path": "GGUF file (default: SmolLM2-135M-Instruct, with the extra smollm2)",
    "context_length": "tokens of prompt and output of one request together "
    f"(default: the model's own, at most {_DEFAULT_CONTEXT})",
    "max_num_seqs": "requests that run at once; more wait",
    "max_num_batched_tokens": "tokens of one step at most",
    "prefill_chunk": "tokens of prompts in one step at most while other requests produce output",
    "threads": "threads of llama.cpp",
    "gpu_layers": "layers kept on a GPU, where llama.cpp was built for one; -1: all",
    "kv_cache_block_size": "tokens of a KV block: a power of two from 8 to 256",
    "prefix_caching": "keep what was read of a prompt for requests that begin alike",
}


def parse_options(argv: Sequence[str]) -> Options:
    """Reads options from command-line arguments.

    Raises:
        SystemExit: With status 2 after a message for a wrong argument, with 0 after ``--help``.
    """
    parser = argparse.ArgumentParser(
        prog="llama-cpp",
        description="Options of the bundled llama.cpp engine, given after '--'.",
        allow_abbrev=False,
    )
    defaults = Options()
    for option in fields(Options):
        default = getattr(defaults, option.name)
        flag = f"--{option.name.replace('_', '-')}"
        if isinstance(default, bool):
            parser.add_argument(
                flag,
                action=argparse.BooleanOptionalAction,
                default=default,
                help=f"{_HELP[option.name]} (default: {'on' if default else 'off'})",
            )
            continue
        suffix = "" if default is None else f" (default: {default})"
        parser.add_argument(
            flag,
            type=str if option.name == "model_path" else int,
            default=default,
            metavar="PATH" if option.name == "model_path" else "N",
            help=_HELP[option.name] + suffix,
        )
    try:
        return Options(**vars(parser.parse_args(argv)))
    except InvalidArgument as error:
        parser.error(str(error))
