"""What the worker counts of its requests: tokens, the first of them, and errors by their kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.api import case, read_text
from support.metrics import lint, sample, samples
from support.system import System

if TYPE_CHECKING:
    from support.launcher import Launcher

PROMPT = "alpha beta gamma"
PREFIX = "dynamo_component_worker_"


def test_tokens_first_tokens_and_errors_are_counted(launcher: Launcher, model_folder: str) -> None:
    system = System(launcher.ports.reserve())
    server = launcher.serve(
        "raising:Raising",
        *("--model-name", model_folder),
        env={
            "DYN_SYSTEM_PORT": str(system.port),
            # Probes are no requests.
            "DYN_HEALTH_CHECK_ENABLED": "true",
            "DYN_CANARY_WAIT_TIME": "1",
            "DYN_HEALTH_CHECK_PAYLOAD": '{"token_ids": [1, 2, 3, 4, 5, 6, 7]}',
        },
    )
    usage = server.api.complete(PROMPT, model=server.model).json["usage"]
    for raised in ("Unknown", "ValueError", "ValueError-later", "EngineShutdown-later"):
        with server.api.stream_completion(PROMPT, model=server.model, **case(raised)) as stream:
            stream.rest()
    with server.api.stream_completion(PROMPT, model=server.model) as stream:
        read_text(stream)

    text = system.get("/metrics").text
    assert lint(text) == ""
    assert sample(text, f"{PREFIX}input_tokens_total") == 6 * usage["prompt_tokens"]
    # Of two that finished, and one token of each that failed later.
    assert sample(text, f"{PREFIX}output_tokens_total") == 2 * usage["completion_tokens"] + 2
    assert sample(text, f"{PREFIX}time_to_first_token_seconds_count") == 4
    errors = {
        labels["kind"]: value for labels, value in samples(text, f"{PREFIX}request_errors_total")
    }
    assert len(errors) == 9
    assert {kind: value for kind, value in errors.items() if value} == {
        "Unknown": 1,
        "InvalidArgument": 2,
        "EngineShutdown": 1,
    }
    [(labels, _)] = samples(text, f"{PREFIX}input_tokens_total")
    assert labels == samples(text, f"{PREFIX}drained")[0][0]
    assert server.process.terminate() == 0
