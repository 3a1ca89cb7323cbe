"""Options of llama.cpp's own server that are called otherwise here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

# What is the worker's stands before the '--'.
_NAMES = {
    "-m": "--model-path",
    "-hf -hfr --hf-repo": "--model",
    "-c --ctx-size": "--context-length, of each request",
    "-np --parallel": "--max-num-seqs",
    "-b --batch-size": "--max-num-batched-tokens",
    "-ub": "--ubatch-size",
    "-t": "--threads",
    "-tb": "--threads-batch",
    "-ngl --n-gpu-layers": "--gpu-layers",
    "-sm": "--split-mode",
    "-mg": "--main-gpu",
    "-ts": "--tensor-split",
    "-dev": "--device",
    "-lm --mmap --no-mmap --mlock -dio --direct-io": "--load-mode",
    "-fa": "--flash-attn",
    "-ctk": "--cache-type-k",
    "-ctv": "--cache-type-v",
    "-kvu": "--kv-unified",
    "-cram": "--cache-ram",
    "-md --spec-draft-model": "--model-draft",
    "-hfd -hfrd --spec-draft-hf --hf-repo-draft": "--model-draft",
    "--draft --draft-n --draft-max": "--spec-draft-n-max",
    "--draft-min --draft-n-min": "--spec-draft-n-min",
    "--draft-p-min": "--spec-draft-p-min",
    "--embedding": "--embeddings",
    "--rerank": "--reranking",
    "-a --alias": "--served-model-name, before the '--'",
    "--host": "--http-host, before the '--'",
    "--port": "--http-port, before the '--'",
    "--chat-template-file": "--custom-jinja-template, before the '--'",
}
_OURS = {theirs: ours for names, ours in _NAMES.items() for theirs in names.split()}


def refuse_server_names(argv: Sequence[str]) -> None:
    """Says of an argument that only llama.cpp's server knows what it is called here.

    Raises:
        InvalidArgument: There is such an argument.
    """
    for each in argv:
        name = each.partition("=")[0]
        if name in _OURS:
            raise InvalidArgument(f"{name} of llama-server is here {_OURS[name]}")
