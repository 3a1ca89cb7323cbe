"""What is said when serving begins: where, which model, and a command to try it with."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from .output import write

if TYPE_CHECKING:
    from ..config import WorkerConfig

# The likeliest answer, which even a very small model gives sense, and room to end it.
_SHORT: dict[str, object] = {"max_tokens": 256, "temperature": 0, "stream": True}
_TRIALS: dict[str, tuple[str, dict[str, object]]] = {
    "chat": (
        "chat/completions",
        {"messages": [{"role": "user", "content": "What is gravity?"}], **_SHORT},
    ),
    "completions": ("completions", {"prompt": "Gravity is", **_SHORT}),
    "embedding": ("embeddings", {"input": "Gravity is"}),
    "rerank": (
        "rerank",
        {"query": "What is gravity?", "documents": ["A kind of bear", "What makes apples fall"]},
    ),
    "images": ("images/generations", {"prompt": "An apple that falls"}),
    "videos": ("videos", {"prompt": "An apple that falls"}),
    "audios": ("audio/speech", {"input": "Gravity is"}),
}


def announce_endpoint(config: WorkerConfig) -> None:
    """Says on stdout which endpoint is served."""
    path = f"{config.effective_namespace}.{config.component}.{config.endpoint}"
    write(f"Serving on {path}")


def announce_http(url: str, model: str, endpoint_types: str) -> None:
    """Says on stdout the frontend's address, the model and a curl line that can be pasted."""
    write(f"Serving {model} on {url}/v1\n\n{curl_line(f'{url}/v1', model, endpoint_types)}\n")


def curl_line(url: str, model: str, endpoint_types: str) -> str:
    """A command that asks ``model`` something, to be pasted into a shell."""
    kinds = [kind.strip().lower() for kind in endpoint_types.split(",")]
    path, body = next((_TRIALS[kind] for kind in kinds if kind in _TRIALS), ("models", {}))
    if not body:
        return f"curl {url}/{path}"
    data = shlex.quote(json.dumps({"model": model} | body))
    return f"curl -N {url}/{path} -H 'Content-Type: application/json' -d {data}"
