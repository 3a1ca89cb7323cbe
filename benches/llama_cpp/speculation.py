"""Measures speculative decoding: the engine with drafts beside the same without, in turns.

The only model that is at hand is its own draft model, which is the worst case: a draft costs as
much as what it spares. To run it: ``source scripts/env.sh``, then
``PYTHONPATH=benches "$python" -P benches/llama_cpp/speculation.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_cpp import Llama
from machine import description

from dynamo_backend_common.engines.llama_cpp import LlamaCpp
from dynamo_backend_common.engines.llama_cpp.files.model_file import ModelFile
from dynamo_backend_common.testing import context, request
from dynamo_backend_common.testing.driven import Driven

OUTPUT = 64
"""Tokens of each answer."""

SENTENCE = "The keeper lit the lamp, counted the ships, wrote their names and slept. "
TEXTS = {
    "repeats itself": SENTENCE * 8,
    "is repeated on demand": (
        "<|im_start|>user\nRepeat this text word by word:\n"
        "Anna sails to Malta on Monday, Boris flies to Oslo on Tuesday, Clara walks to Rome on "
        "Friday, and Dario swims to Corfu on Sunday.<|im_end|>\n<|im_start|>assistant\n"
    ),
    "is new": "<|im_start|>user\nTell me a story about a fox and a bell.<|im_end|>\n"
    "<|im_start|>assistant\n",
}


def arms(model: str) -> dict[str, dict[str, Any]]:
    """Options by the name of what is compared."""
    return {
        "no drafts": {},
        "ngram-simple": {"spec_type": "ngram-simple"},
        "ngram-simple, size-n 3, size-m 8": {
            "spec_type": "ngram-simple",
            "spec_ngram_simple_size_n": 3,
            "spec_ngram_simple_size_m": 8,
        },
        "the model as its own draft model": {"model_draft": model},
    }


@dataclass
class Answer:
    """What one request took.

    Attributes:
        seconds: From its first token to its last.
        cpu: Seconds of all processors meanwhile.
        tokens: Tokens behind the first.
        chunks: Pushes in which they came.
    """

    seconds: float
    cpu: float
    tokens: int
    chunks: int


async def ask(driven: Driven, prompt: list[int]) -> Answer:
    """Clocks one request."""
    wanted = request(prompt)
    wanted["stop_conditions"] = {"max_tokens": OUTPUT, "ignore_eos": True}
    begun, cpu, tokens, chunks = 0.0, 0.0, 0, 0
    async for chunk in driven.chunks(wanted, context()):
        if begun:
            tokens, chunks = tokens + len(chunk["token_ids"]), chunks + 1
        else:
            begun, cpu = time.monotonic(), time.process_time()
    return Answer(time.monotonic() - begun, time.process_time() - cpu, tokens, chunks)


async def measure(model: str, threads: int, repetitions: int) -> list[str]:
    """The table's lines."""
    vocabulary = Llama(model, vocab_only=True, verbose=False)
    prompts = {
        name: vocabulary.tokenize(text.encode(), add_bos=False, special=True)
        for name, text in TEXTS.items()
    }
    engines = {
        name: LlamaCpp(
            model_path=model,
            context_length=512,
            max_num_seqs=1,
            threads=threads,
            prefix_caching=False,
            **options,
        )
        for name, options in arms(model).items()
    }
    for engine in engines.values():
        await engine.start(1)
    driven = {name: Driven(engine) for name, engine in engines.items()}
    found: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for _ in range(repetitions):
        for text, prompt in prompts.items():
            for name, each in driven.items():
                found[text, name].append(await ask(each, prompt))
    lines = ["| text | drafts | tokens/s | by no drafts | CPU ms/token | tokens a step |"]
    lines.append("|---|---|--:|--:|--:|--:|")
    for (text, name), answers in found.items():
        rates = [answer.tokens / answer.seconds for answer in answers]
        bases = [answer.tokens / answer.seconds for answer in found[text, "no drafts"]]
        ratio = statistics.median(mine / base for mine, base in zip(rates, bases, strict=True))
        lines.append(
            f"| {text} | {name} | {statistics.median(rates):,.1f} | {ratio:.2f} "
            f"| {statistics.median(1000 * a.cpu / a.tokens for a in answers):,.1f} "
            f"| {statistics.median(a.tokens / a.chunks for a in answers):.1f} |"
        )
    for each, engine in zip(driven.values(), engines.values(), strict=True):
        each.close()
        await engine.cleanup()
    return lines


def main() -> int:
    """Does what the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=max((os.cpu_count() or 2) - 1, 1))
    parser.add_argument("--model", default=str(ModelFile().path), help="GGUF file")
    parser.add_argument("--output", type=Path, help="file of the table")
    options = parser.parse_args()
    machine = description() | {"threads": str(options.threads)}
    head = ", ".join(f"{name}: {value}" for name, value in machine.items()) + "."
    lines = asyncio.run(measure(options.model, options.threads, options.repetitions))
    table = "\n".join(["# Speculative decoding, measured", "", head, "", *lines]) + "\n"
    print(table)
    if options.output is not None:
        options.output.write_text(table, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
