"""Metadata of GGUF files as they were reported in public, with small vocabularies like theirs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from .vocabularies import TEXTS, metadata

_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED = 1, 2, 3, 4, 5
Special = dict[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reported:
    """A file.

    Attributes:
        name: Name of the model.
        values: Its metadata.
        prompt: A chat as its template would write it.
        refusal: What it is refused with, as a pattern; None: it is served.
    """

    name: str
    values: dict[str, Any]
    prompt: str
    refusal: str | None = None


@cache
def _byte_level() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tokens and merges of a byte-level vocabulary."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        min_frequency=1,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learner.train_from_iterator(TEXTS, trainer)
    model = json.loads(learner.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return tuple(tokens), tuple(" ".join(pair) for pair in model["merges"])


def bpe(
    name: str, architecture: str, pre: str | None, special: Special, prompt: str, **changes: Any
) -> Reported:
    """A byte-level model; numbers of special tokens in ``changes`` are given by their texts."""
    tokens, merges = _byte_level()
    values = {
        "general.architecture": architecture,
        "general.name": name,
        f"{architecture}.context_length": 4096,
        f"{architecture}.attention.head_count": 8,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": [*tokens, *special],
        "tokenizer.ggml.token_type": [*[_NORMAL] * len(tokens), *special.values()],
        "tokenizer.ggml.merges": list(merges),
    }
    return _finish(name, values, prompt, changes)


def sentencepiece(
    name: str, architecture: str, special: Special, prompt: str, **changes: Any
) -> Reported:
    """A SentencePiece model with more special tokens behind its own."""
    values = metadata("llama")
    values |= {
        "general.architecture": architecture,
        "general.name": name,
        f"{architecture}.context_length": 4096,
        "tokenizer.ggml.pre": "default",
    }
    known = values["tokenizer.ggml.tokens"]
    # It would overlap with runs of newlines, of which such a model has tokens.
    known[known.index("  \n")] = "<extra>"
    new = {text: kind for text, kind in special.items() if text not in known}
    known += new
    values["tokenizer.ggml.token_type"] += new.values()
    values["tokenizer.ggml.scores"] += [-1000.0] * len(new)
    return _finish(name, values, prompt, changes)


def other(name: str, kind: str, architecture: str, prompt: str, **changes: Any) -> Reported:
    """A model of another kind of vocabulary."""
    values = metadata(kind) | {
        "general.architecture": architecture,
        "general.name": name,
        f"{architecture}.context_length": 512,
    }
    return _finish(name, values, prompt, changes)


def _finish(name: str, values: dict[str, Any], prompt: str, changes: dict[str, Any]) -> Reported:
    refusal = changes.pop("refusal", None)
    for key, value in changes.items():
        whole = key if "." in key else f"tokenizer.ggml.{key}"
        if whole.endswith("_token_id") and isinstance(value, str):
            value = values["tokenizer.ggml.tokens"].index(value)
        values[whole] = value
    return Reported(name=name, values=values, prompt=prompt, refusal=refusal)


_CHATML = "<|im_start|>user\nHi there<|im_end|>\n<|im_start|>assistant\n"
_CHATML_TOKENS = {"<|endoftext|>": _CONTROL, "<|im_start|>": _CONTROL, "<|im_end|>": _CONTROL}
_LLAMA3 = (
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi there<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
_LLAMA3_TOKENS = {
    "<|begin_of_text|>": _CONTROL,
    "<|end_of_text|>": _CONTROL,
    "<|start_header_id|>": _CONTROL,
    "<|end_header_id|>": _CONTROL,
    "<|eot_id|>": _CONTROL,
}
_GEMMA = "<bos><start_of_turn>user\nHi there<end_of_turn>\n<start_of_turn>model\n"
_GEMMA_TOKENS = {
    "<pad>": _CONTROL,
    "<eos>": _CONTROL,
    "<bos>": _CONTROL,
    "<mask>": _CONTROL,
    "[multimodal]": _USER_DEFINED,
    "<start_of_turn>": _CONTROL,
    "<end_of_turn>": _CONTROL,
    **{"\n" * length: _USER_DEFINED for length in range(2, 8)},
    **{" " * length: _USER_DEFINED for length in range(2, 8)},
    "<table>": _USER_DEFINED,
    "</table>": _USER_DEFINED,
    "<unused0>": _UNUSED,
}
_PHI3 = "<|user|>\nHi there<|end|>\n<|assistant|>\n"
_PHI3_TOKENS = {"<|assistant|>": _CONTROL, "<|end|>": _NORMAL, "<|user|>": _CONTROL}
_HARMONY = "<|start|>user<|message|>Hi there<|end|><|start|>assistant"
_HARMONY_TOKENS = dict.fromkeys(
    (
        *("<|startoftext|>", "<|endoftext|>", "<|return|>", "<|constrain|>", "<|channel|>"),
        *("<|start|>", "<|end|>", "<|message|>", "<|call|>"),
    ),
    _CONTROL,
)
_DEEPSEEK = "<｜begin▁of▁sentence｜><｜User｜>Hi there<｜Assistant｜>"
_DEEPSEEK_TOKENS = {
    "<｜begin▁of▁sentence｜>": _CONTROL,
    "<｜end▁of▁sentence｜>": _CONTROL,
    "<｜User｜>": _USER_DEFINED,
    "<｜Assistant｜>": _USER_DEFINED,
}
_COMMAND_R = "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|>Hi there<|END_OF_TURN_TOKEN|>"
_COMMAND_R_TOKENS = dict.fromkeys(
    (
        *("<BOS_TOKEN>", "<EOS_TOKEN>", "<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>"),
        "<|END_OF_TURN_TOKEN|>",
    ),
    _CONTROL,
)
_GLM4 = "[gMASK]<sop><|user|>\nHi there<|assistant|>"
_GLM4_TOKENS = dict.fromkeys(
    ("<|endoftext|>", "[gMASK]", "<sop>", "<|user|>", "<|assistant|>"), _CONTROL
)
_GRANITE = "<|start_of_role|>user<|end_of_role|>Hi there<|end_of_text|>\n"
_GRANITE_TOKENS = dict.fromkeys(
    ("<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>"), _CONTROL
)
_TEKKEN = dict.fromkeys(("<unk>", "<s>", "</s>", "[INST]", "[/INST]"), _CONTROL)


def _end(text: str, begin: str | None = None, **more: Any) -> dict[str, Any]:
    return {"eos_token_id": text, "bos_token_id": begin, **more}


@cache
def reported_files() -> tuple[Reported, ...]:
    """All of them."""
    return (
        sentencepiece("LLaMA v2", "llama", {}, "[INST] Hi there [/INST]", add_bos_token=None),
        sentencepiece(
            "Mistral 7B Instruct v0.3",
            "llama",
            {"[INST]": _CONTROL, "[/INST]": _CONTROL},
            "<s>[INST] Hi there[/INST]",
            merges=["▁ t", "e r"],
            add_bos_token=True,
        ),
        sentencepiece("TinyLlama 1.1B Chat", "llama", {}, "<|user|>\nHi there</s>\n"),
        sentencepiece(
            "Mixtral 8x7B", "llama", {}, "[INST] Hi [/INST]", **{"llama.expert_count": 8}
        ),
        sentencepiece(
            "Phi 3.5 Mini Instruct", "phi3", _PHI3_TOKENS, _PHI3, **_end("<|endoftext|>", "<s>")
        ),
        sentencepiece(
            "gemma-2-9b-it",
            "gemma2",
            _GEMMA_TOKENS,
            _GEMMA + " " * 20 + "x\n\n\n\n\n\n\n\n\n\n",
            **_end("<eos>", "<bos>", add_space_prefix=False, add_bos_token=True),
        ),
        sentencepiece(
            "Gemma 3 4b It",
            "gemma3",
            _GEMMA_TOKENS,
            _GEMMA,
            **_end("<end_of_turn>", "<bos>", add_space_prefix=False, padding_token_id="<pad>"),
        ),
        other(
            "Gemma-4-E2B-It",
            "gemma4",
            "gemma4",
            "<bos><|turn>user\nHi there",
            **{"gemma4.attention.head_count_kv": [8, 8, 2], "add_bos_token": True},
        ),
        bpe(
            "Llama 3.1 8B Instruct",
            "llama",
            "llama-bpe",
            _LLAMA3_TOKENS,
            _LLAMA3,
            **_end("<|eot_id|>", "<|begin_of_text|>"),
        ),
        bpe(
            "Meta-Llama-3-8B of an early converter",
            "llama",
            None,
            dict.fromkeys(_LLAMA3_TOKENS, _NORMAL) | {"<|begin_of_text|>": _CONTROL},
            _LLAMA3,
            **_end("<|end_of_text|>", "<|begin_of_text|>"),
        ),
        bpe(
            "Qwen2.5 7B Instruct",
            "qwen2",
            "qwen2",
            _CHATML_TOKENS,
            _CHATML,
            **_end("<|im_end|>", "<|endoftext|>", add_bos_token=False),
        ),
        bpe(
            "Qwen3 8B",
            "qwen3",
            "qwen2",
            {**_CHATML_TOKENS, "<think>": _USER_DEFINED, "</think>": _USER_DEFINED},
            _CHATML + "<think>\n\n</think>\n\n",
            **_end("<|im_end|>"),
        ),
        bpe(
            "SmolLM3 3B",
            "smollm3",
            "smaug-bpe",
            _CHATML_TOKENS,
            _CHATML,
            **_end("<|im_end|>"),
        ),
        bpe(
            "Phi 4 Mini Reasoning",
            "phi3",
            "gpt-4o",
            {"<|endoftext|>": _CONTROL, "<|end|>": _CONTROL, "<|user|>": _CONTROL},
            "<|user|>Hi there<|end|>",
            **_end("<|endoftext|>", "<|endoftext|>", add_bos_token=False),
        ),
        bpe("gpt-oss-20b", "gpt-oss", "gpt-4o", _HARMONY_TOKENS, _HARMONY, **_end("<|return|>")),
        bpe(
            "DeepSeek V3 0324",
            "deepseek2",
            "deepseek-v3",
            _DEEPSEEK_TOKENS,
            _DEEPSEEK,
            **_end("<｜end▁of▁sentence｜>", "<｜begin▁of▁sentence｜>", add_bos_token=True),
        ),
        bpe(
            "DeepSeek-V2-Lite-Chat",
            "deepseek2",
            "deepseek-llm",
            _DEEPSEEK_TOKENS,
            _DEEPSEEK,
            **_end("<｜end▁of▁sentence｜>", "<｜begin▁of▁sentence｜>", add_bos_token=True),
        ),
        bpe(
            "c4ai-command-r-v01",
            "command-r",
            "command-r",
            _COMMAND_R_TOKENS,
            _COMMAND_R,
            **_end("<|END_OF_TURN_TOKEN|>", "<BOS_TOKEN>", add_bos_token=True),
        ),
        bpe("GLM 4 32B 0414", "glm4", "glm4", _GLM4_TOKENS, _GLM4, **_end("<|user|>")),
        bpe(
            "Granite 3.0 8b Instruct",
            "granite",
            "refact",
            _GRANITE_TOKENS,
            _GRANITE,
            **_end("<|end_of_text|>", "<|end_of_text|>"),
        ),
        bpe(
            "Mistral Small 3.2",
            "llama",
            "tekken",
            _TEKKEN,
            "<s>[INST]Hi there[/INST]",
            **_end("</s>", "<s>", unknown_token_id="<unk>"),
        ),
        bpe(
            "starcoder2-3b",
            "starcoder2",
            "starcoder",
            {"<|endoftext|>": _CONTROL, "<fim_prefix>": _CONTROL, "<fim_suffix>": _CONTROL},
            "<fim_prefix>def f(x):<fim_suffix>",
            **_end("<|endoftext|>", "<|endoftext|>"),
        ),
        bpe(
            "Falcon 7B",
            "falcon",
            "falcon",
            {"<|endoftext|>": _CONTROL},
            "User: Hi there\nAssistant:",
            **_end("<|endoftext|>", "<|endoftext|>"),
        ),
        bpe("OLMo 2 7B", "olmo2", "dbrx", _CHATML_TOKENS, _CHATML, **_end("<|endoftext|>")),
        bpe(
            "DeciLM of another width in each layer",
            "deci",
            "llama-bpe",
            _LLAMA3_TOKENS,
            _LLAMA3,
            **_end("<|eot_id|>", "<|begin_of_text|>"),
            **{"deci.attention.head_count": [0, 8, 8], "deci.feed_forward_length": [4, 8, 8]},
        ),
        other(
            "nomic-embed-text-v1.5",
            "bert",
            "nomic-bert",
            "search_query: Hi there",
            refusal="'nomic-bert' .* is an encoder",
            **{"nomic-bert.attention.causal": False},
        ),
        other("T5 V1_1 Xxl", "t5", "t5encoder", "Hi", refusal="'t5encoder' .* is an encoder"),
        other("RWKV-6 World", "llama", "rwkv6", "Hi", model="rwkv", refusal="'rwkv' .* greedy"),
        other(
            "a file of llama-hf without scores",
            "llama",
            "llama",
            "Hi",
            scores=None,
            refusal="have the same score 0 ",
        ),
    )
