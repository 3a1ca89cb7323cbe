"""A model in two processes on one node: it serves, and all of it ends when one of them does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.api import wait_for_routes
from support.frontend import start_frontend
from support.vllm_worker import NAME, PROMPTS, VllmWorker

if TYPE_CHECKING:
    from support.launcher import Launcher


def test_two_processes_serve_and_end_as_one(launcher: Launcher) -> None:
    worker = VllmWorker(launcher, "--tensor-parallel-size", "2")
    worker.wait()
    api = start_frontend(launcher)
    wait_for_routes(api, NAME, PROMPTS[0])
    asked = {"max_tokens": 24, "temperature": 0, "ignore_eos": True}
    answers = [api.complete(PROMPTS[1], **asked) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    first, again = (answer.json["choices"][0]["text"] for answer in answers)
    assert len(first.split()) == 24
    assert first == again
    # Of the others the engine core tells, and then vLLM ends.
    worker.family.named("VLLM::Worker_TP1").kill()
    assert worker.process.wait() == 1
    worker.leaves_nothing()
