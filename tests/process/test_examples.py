"""The engines of ``examples`` that need nothing else: they keep the contract, and serve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.api import text_of
from support.processes import until
from support.system import System

if TYPE_CHECKING:
    from support.launcher import Launcher

EXAMPLES = Path(__file__).parents[2] / "examples"
PROMPT = "one two three four"


@pytest.mark.parametrize("engine", ["step_loop:Batching", "controls:Weighty"])
def test_it_keeps_the_contract(launcher: Launcher, engine: str) -> None:
    checked = launcher.command("check", engine, cwd=EXAMPLES)
    assert checked.wait() == 0, checked.output
    assert "passed  cancellation_at_every_point" in checked.output


def test_the_step_loop_batches_and_pauses_nobody_else(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve(
        "step_loop:Batching",
        *["--model-name", model_folder, "--", "--max-num-seqs", "2"],
        cwd=EXAMPLES,
    )
    api = server.api
    # A client that reads nothing is soon behind, and has one of the two places.
    body = api.body_of_completion(PROMPT, max_tokens=4000, stream=True)
    stuck = api.hang_up("completions", body)
    for _ in range(3):
        answer = api.complete(PROMPT, max_tokens=4)
        assert answer.status == 200, answer.text
        assert text_of(answer.json).strip() == PROMPT
        assert answer.json["usage"]["completion_tokens"] == 4
    stuck.close()
    assert server.process.terminate() == 0
    assert "Traceback" not in server.process.output


def test_controls_replace_the_weights_and_let_go_of_them(
    launcher: Launcher, model_folder: str
) -> None:
    port = launcher.ports.reserve()
    server = launcher.serve(
        "controls:Weighty",
        *["--model-name", model_folder],
        cwd=EXAMPLES,
        env={"DYN_SYSTEM_PORT": str(port)},
    )
    system = System(port)

    def control(name: str, body: object) -> Any:
        return system.request(
            "POST", f"/engine/{name}", body, {"Content-Type": "application/json"}
        ).json

    assert text_of(server.api.complete(PROMPT).json).strip() == PROMPT
    assert control("load_weights", {"step": 1}) == {"status": "ok", "step": 1}
    replaced = text_of(server.api.complete(PROMPT).json)
    assert replaced.strip() != PROMPT
    assert control("load_weights", {"step": "one"})["status"] == "error"
    assert control("sleep", {}) == {"status": "ok"}
    assert not system.is_ready()
    assert control("load_weights", {"step": 2})["status"] == "error"
    assert control("wake_up", {}) == {"status": "ok"}
    until(system.is_ready, "it is awake")
    until(lambda: server.api.complete(PROMPT).status == 200, "the frontend has it again")
    assert text_of(server.api.complete(PROMPT).json) == replaced
    assert server.process.terminate() == 0
