"""Updates, adapters and the card of an engine of dynamo.common.backend."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.event_plane import discovered
from support.processes import until
from support.reference import PROMPT, Served, serve

if TYPE_CHECKING:
    from support.launcher import Launcher

pytestmark = pytest.mark.frontend


def card(launcher: Launcher) -> dict[str, Any]:
    [found] = discovered(launcher, "mdc", 1)
    own: dict[str, Any] = found["card_json"]
    return own


def test_an_update_registers_an_adapter(launcher: Launcher, model_folder: str) -> None:
    served = Served(launcher, model_folder)
    worker_id = json.loads(launcher.latches.reached("started"))[0]
    assert launcher.latches.reached("endpoint") == str(worker_id)
    answer = served.system.request("POST", "/engine/update/load", {"name": "adapter"})
    assert (answer.status, answer.json) == (200, {"status": "ok"})
    until(lambda: "adapter" in served.api.models(), "the adapter is listed")

    def answers() -> bool:
        return served.api.complete(PROMPT, model="adapter").status == 200

    until(answers, "requests for the adapter are routed")
    assert served.system.request("POST", "/engine/update/unload", {"name": "adapter"}).status == 200
    until(lambda: "adapter" not in served.api.models(), "the adapter is listed no more")
    assert served.system.request("POST", "/engine/update/other", {}).status == 404
    assert served.system.request("POST", "/engine/update/load", {}).status == 500


def test_the_model_has_its_aliases(launcher: Launcher, model_folder: str) -> None:
    served = Served(launcher, model_folder)
    assert served.api.complete(PROMPT, model="told-too").status == 200


def test_the_card_has_what_their_configuration_says(launcher: Launcher, model_folder: str) -> None:
    fields = {
        "default_thinking_mode": "disabled",
        "kv_state_endpoint": "theirs/kv/state",
        "reasoning_parser": "basic",
        "structural_tag": {
            "scope": "always",
            "schema": "strict",
            "allow_tool_calls_with_structured_output": True,
            "exclude_special_tokens": False,
            "reasoning_boundary": "structural_tag",
            "tool_arguments_any_order": True,
        },
    }
    arguments = ("--model-name", model_folder, "--fields", json.dumps(fields))
    serve(launcher, "referenced:Told", *arguments)
    runtime = card(launcher)["runtime_config"]
    assert runtime["structural_tag"] == fields["structural_tag"]
    assert runtime["reasoning_parser"] == "basic"
    assert runtime["runtime_data"] == {"told": 1, "default_thinking_mode": "disabled"}
    assert runtime["kv_state_endpoint"]["component"] == "kv"
