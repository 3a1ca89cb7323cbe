"""Beside Dynamo's own frontend: the other names of a model, and adapters loaded by updates."""

import pytest

from support.api import wait_for_routes
from support.frontend import start_frontend
from support.launcher import Launcher
from support.processes import until
from support.system import serve

pytestmark = pytest.mark.frontend


def test_a_frontend_serves_aliases_and_adapters(launcher: Launcher, model_folder: str) -> None:
    process, system = serve(
        launcher, "updated:Aliased", "--model-name", model_folder, "--served-model-name", "bird"
    )
    api = start_frontend(launcher)
    wait_for_routes(api, "bird", "alpha")
    assert api.complete("alpha", model="parrot").status == 200
    assert system.control("update/load", {"name": "tuned"}).json == {"status": "ok"}
    until(lambda: "tuned" in api.models(), "the adapter is listed")
    until(lambda: api.complete("alpha", model="tuned").status == 200, "it is served")
    assert "tuned" in system.control("asked").json["asked"]
    # The alias is still the model's.
    assert api.complete("alpha", model="parrot").status == 200
    assert system.control("asked").json["asked"][-1] is None

    failed = system.control("update/load", {"name": "half", "raise": "no memory"})
    assert failed.status == 500
    assert system.control("update/unload", {"name": "tuned"}).json == {"status": "ok"}
    until(lambda: "tuned" not in api.models(), "the adapter is gone")
    assert "half" not in api.models()
    assert api.complete("alpha", model="tuned").status == 404
    assert api.complete("alpha", model="bird").status == 200

    # Taints change the card, and the frontend goes on serving it.
    taints = system.control("update/model_taints", {"taints": ["canary"]})
    assert taints.json["taints"] == ["canary"]
    assert api.complete("alpha", model="bird").status == 200
    assert process.terminate() == 0
