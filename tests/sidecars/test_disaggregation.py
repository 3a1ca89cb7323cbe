"""Sidecars of a prefill and of a decode server, behind Dynamo's own frontend."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.api import text_of, wait_for_routes
from support.frontend import start_frontend
from support.sidecar import FOUND, start_server
from support.streams import PROMPT
from support.system import SERVING

if TYPE_CHECKING:
    from support.launcher import Launcher
    from support.processes import Process
    from support.sidecar import Kind

MODEL = "split"
BOOTSTRAP_HOST = "prefill.example"


def serve(launcher: Launcher, kind: Kind, model: str, mode: str) -> Process:
    """The server of one of the two, and its worker; returns the server."""
    port = launcher.ports.reserve()
    server = start_server(launcher, kind, port, model, mode=mode)
    # SGLang's server says what it is; TensorRT-LLM's does not.
    own = {
        "sglang": ["--bootstrap-host", BOOTSTRAP_HOST],
        "trtllm": ["--disaggregation-mode", mode],
    }
    worker = launcher.command(
        *("serve", kind.engine(), "--discovery-backend", "file", "--served-model-name", MODEL),
        *kind.arguments(model, port, *own[kind.name]),
        env=FOUND,
    )
    worker.wait_for_line(SERVING)
    return server


def test_the_decode_gets_what_the_prefill_hands_over(
    launcher: Launcher, model_folder: str, kind: Kind
) -> None:
    prefill = serve(launcher, kind, model_folder, "prefill")
    decode = serve(launcher, kind, model_folder, "decode")
    api = start_frontend(launcher)
    wait_for_routes(api, MODEL, PROMPT)
    seen = len(decode.lines), len(prefill.lines)
    answer = api.complete(PROMPT, model=MODEL)
    assert answer.status == 200, answer.text
    assert text_of(answer.json).strip() == PROMPT
    asked = [
        json.loads(server.wait_for_line(r"^request \S+ (.*)", since=since).group(1))
        for server, since in zip((decode, prefill), seen, strict=True)
    ]
    if kind.name == "sglang":
        rooms = [each["disaggregatedParams"] for each in asked]
        assert rooms[0] == rooms[1]
        assert rooms[0]["bootstrapHost"] == BOOTSTRAP_HOST
    else:
        session = asked[0]["kv"]["session"]
        assert session["sessionId"] == f"session-{answer.json['usage']['prompt_tokens']}"
        assert asked[1]["extra"]["request_type"] == "context_only"


def test_the_workers_mode_is_the_sidecars(
    launcher: Launcher, model_folder: str, kind: Kind
) -> None:
    port = launcher.ports.reserve()
    start_server(launcher, kind, port, model_folder)
    worker = launcher.command(
        *("serve", kind.engine(), "--disaggregation-mode", "decode"),
        *kind.arguments(model_folder, port),
        env=FOUND,
    )
    assert worker.wait() == 2
    assert "the worker is to be 'decode', but the sidecar is 'agg'" in worker.stderr
    assert "Traceback" not in worker.stderr
