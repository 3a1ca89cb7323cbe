"""Waking up part by part, and new weights while generation is paused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.api import wait_for_model
from support.system import becomes_not_ready, becomes_ready
from support.vllm_worker import MODEL, NAME, PROMPTS

if TYPE_CHECKING:
    from support.vllm_worker import Served

PROMPT = PROMPTS[2]


def tell(served: Served, control: str, **body: Any) -> dict[str, Any]:
    answer = served.worker.system.control(control, body)
    assert answer.status == 200, answer.text
    reply: dict[str, Any] = answer.json
    return reply


def said(served: Served) -> str:
    wait_for_model(served.api, NAME)
    answer = served.api.complete(PROMPT, max_tokens=8, temperature=0, ignore_eos=True)
    assert answer.status == 200, answer.text
    text: str = answer.json["choices"][0]["text"]
    return text


def test_it_is_found_again_when_all_of_it_is_awake(served: Served) -> None:
    before = said(served)
    assert tell(served, "sleep", level=2)["is_sleeping"] is True
    becomes_not_ready(served.worker.system)
    refused = tell(served, "resume_generation")
    assert refused == {"status": "error", "message": "vLLM sleeps; wake_up resumes it too"}
    assert tell(served, "wake_up", tags=["weights"])["is_sleeping"] is True
    assert not served.worker.system.is_ready()
    assert tell(served, "wake_up", tags=["kv_cache"])["is_sleeping"] is False
    becomes_ready(served.worker.system)
    assert said(served) == before


def test_weights_are_read_while_generation_is_paused(served: Served) -> None:
    before = said(served)
    running = tell(served, "update_weights_from_disk", model_path=str(MODEL))
    assert running["status"] == "error"
    assert "pause_generation" in running["message"]

    assert tell(served, "pause_generation")["status"] == "ok"
    # A folder without weights: the old ones are gone by then.
    answer = served.worker.system.control(
        "update_weights_from_disk", {"model_path": str(served.launcher.folder)}
    )
    assert answer.status == 500, answer.text
    assert tell(served, "resume_generation")["status"] == "error"
    assert not served.worker.system.is_ready()
    updated = tell(
        served, "update_weights_from_disk", model_path=str(MODEL), weight_version="step-7"
    )
    assert updated == {"status": "ok", "weight_version": "step-7"}
    assert tell(served, "resume_generation")["status"] == "ok"
    becomes_ready(served.worker.system)
    assert tell(served, "get_weight_version")["weight_version"] == "step-7"
    assert said(served) == before
