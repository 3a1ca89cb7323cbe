"""What the engine can be configured with: each option once, with all that there is to say of it."""

from __future__ import annotations

import argparse
import difflib
import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidArgument
from .option import Choices, Integer, Number, Switch, Text, add_arguments, check, option

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

    model_draft: str | None = option(
        None,
        Text("PATH"),
        "GGUF file of a small model with the same vocabulary, which drafts tokens for the model",
        default_text="none",
    )
    spec_type: str | None = option(
        None,
        Choices("none", "draft-simple", "ngram-simple"),
        "who drafts tokens for speculative decoding: `draft-simple`, the draft model; "
        "`ngram-simple`, the request's own prompt and output; with both, separated by a comma, the "
        "draft model where the text does not repeat itself; `none`",
        default_text="`draft-simple` with a draft model, else `none`",
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
