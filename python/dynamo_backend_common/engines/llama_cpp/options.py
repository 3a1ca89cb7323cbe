"""What the engine can be configured with: each option once, with all that there is to say of it."""

from __future__ import annotations

import argparse
import difflib
import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidArgument
from .option import Integer, Switch, Text, add_arguments, check, option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    """Options of the engine: the keyword arguments of `LlamaCpp`, and its command line.

    Raises:
        InvalidArgument: A value is not accepted, or does not go with another; the message says why.
    """

    model: str | None = option(
        None,
        Text("NAME"),
        "model of the Hugging Face hub, OWNER/NAME or OWNER/NAME:QUANT, which is fetched where the "
        "hub's cache does not have it; or a GGUF file",
        default_text="what --model-path has",
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
    max_num_seqs: int = option(8, Integer(), "requests that run at once; more wait in a queue")
    max_num_batched_tokens: int = option(512, Integer(), "tokens of one step at most")
    prefill_chunk: int = option(
        128,
        Integer(SMALLEST_PREFILL_CHUNK),
        "tokens of prompts in one step at most while other requests are producing output; it "
        "bounds how long a step keeps them waiting",
    )
    threads: int = option(
        _spare_processors,
        Integer(),
        "threads of llama.cpp",
        default_text="one less than there are processors to use",
    )
    gpu_layers: int = option(
        0, Integer(-1), "layers kept on a GPU, where llama.cpp was built for one; -1: all"
    )
    kv_cache_block_size: int = option(
        16,
        Integer(among=_BLOCK_SIZES),
        "tokens of a KV block, by which the router counts and prefixes are kept",
    )
    prefix_caching: bool = option(
        True,
        Switch(),
        "keep what was read of a prompt for requests that begin alike; it takes no memory of its "
        "own, and no output is another with it",
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
        step = self.max_num_seqs + self.prefill_chunk
        if self.max_num_batched_tokens < step:
            raise InvalidArgument(
                f"max_num_batched_tokens is {self.max_num_batched_tokens}; it must be {step} or "
                "more, the sum of max_num_seqs and prefill_chunk"
            )

    def context_length_for(self, trained: int) -> int:
        """The context length to use for a model that was trained for ``trained`` tokens."""
        return self.context_length or min(trained, _DEFAULT_CONTEXT)


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
    add_arguments(parser, Options)
    try:
        return Options(**vars(parser.parse_args(argv)))
    except InvalidArgument as error:
        parser.error(str(error))
