"""What is said when serving begins: where, which model, and a command to try it with."""

from __future__ import annotations

import json
import shlex
import time
import urllib.request
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..config import WorkerConfig

_PATIENCE_SECONDS = 10.0
_POLL_SECONDS = 0.05

_TRIALS: dict[str, tuple[str, dict[str, object]]] = {
    "chat": (
        "chat/completions",
        {"messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 64, "stream": True},
    ),
    "completions": ("completions", {"prompt": "Once upon", "max_tokens": 64, "stream": True}),
    "embedding": ("embeddings", {"input": "Hello!"}),
}


def announce_endpoint(config: WorkerConfig) -> None:
    """Says on stdout which endpoint is served."""
    path = f"{config.namespace}.{config.component}.{config.endpoint}"
    print(f"Serving on {path}", flush=True)


def announce_http(host: str, port: int, config: WorkerConfig, over: Event) -> None:
    """Says on stdout the address, the model and a curl line, once the frontend lists the model.

    Returns at once: it runs on the worker's event loop, and the frontend may take a moment. Once
    ``over`` is set nothing is said any more.
    """
    Thread(target=_announce, args=(base_url(host, port), config, over), daemon=True).start()


def base_url(host: str, port: int) -> str:
    """The address of the API for a client on this machine."""
    local = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{local}]' if ':' in local else local}:{port}/v1"


def curl_line(url: str, model: str, endpoint_types: str) -> str:
    """A command that asks ``model`` something, to be pasted into a shell."""
    kinds = [kind.strip().lower() for kind in endpoint_types.split(",")]
    path, body = next((_TRIALS[kind] for kind in kinds if kind in _TRIALS), ("models", {}))
    if not body:
        return f"curl {url}/{path}"
    data = shlex.quote(json.dumps({"model": model} | body))
    return f"curl -N {url}/{path} -H 'Content-Type: application/json' -d {data}"


def choose_model(listed: Sequence[str], config: WorkerConfig) -> str:
    """The served name among what the frontend lists; else what the configuration says."""
    configured = [name for name in (config.served_model_name, config.model_name) if name]
    for name in configured:
        if name in listed:
            return name
    return [*listed, *configured, "dynamo"][0]


def _announce(url: str, config: WorkerConfig, over: Event) -> None:
    model = choose_model(_wait_for_models(url, over), config)
    if over.is_set():
        return
    line = curl_line(url, model, config.endpoint_types)
    print(f"Serving {model} on {url}\n\n{line}\n", flush=True)


def _wait_for_models(url: str, over: Event) -> list[str]:
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        models = _models(url)
        if models:
            return models
        if over.wait(_POLL_SECONDS):
            break
    return []


def _models(url: str) -> list[str]:
    # A proxy of the environment is not for a server on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/models", timeout=1) as reply:
            return [str(model["id"]) for model in json.load(reply)["data"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
