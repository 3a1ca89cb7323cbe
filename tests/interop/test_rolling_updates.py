"""Workers are replaced by others of another card, under traffic, and no client notices."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.api import wait_for_model
from support.frontend import start_frontend
from support.system import becomes_ready, serve
from support.traffic import Traffic

if TYPE_CHECKING:
    from support.launcher import Launcher
    from support.processes import Process

pytestmark = [pytest.mark.frontend]

# Few: a frontend that makes a prompt for the old generation when the last of it leaves answers 503.
CLIENTS = 4
MODEL = "parrot"
PROMPT = " ".join(["alpha beta gamma delta"] * 5)


def start(launcher: Launcher, folder: str, suffix: str) -> Process:
    """A worker of the generation, once it says that it is ready."""
    process, system = serve(
        launcher,
        "paced:Paced",
        "--model-name",
        folder,
        "--served-model-name",
        MODEL,
        env={
            "DYN_NAMESPACE_WORKER_SUFFIX": suffix,
            "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": "1",
        },
    )
    becomes_ready(system)
    return process


@pytest.mark.parametrize("options", [[], ["--namespace-prefix", "dynamo"]], ids=["all", "prefix"])
def test_section_12_2_a_rolling_update_of_the_card_loses_nothing(
    launcher: Launcher, model_folder: str, tmp_path: Path, options: list[str]
) -> None:
    changed = Path(shutil.copytree(model_folder, tmp_path / "changed"))
    (changed / "chat_template.jinja").write_text("{{ messages[0].content }}")
    api = start_frontend(launcher, *options)
    old = [start(launcher, model_folder, "") for _ in range(2)]
    wait_for_model(api, MODEL)
    with Traffic(api, MODEL, PROMPT, CLIENTS) as traffic:
        new = []
        for worker in old:
            new.append(start(launcher, str(changed), "v2"))
            assert worker.terminate() == 0
        served = traffic.served
        while traffic.served < served + CLIENTS and not traffic.wrong:
            pass
    assert dict(traffic.wrong) == {}
    assert [worker.terminate() for worker in new] == [0, 0]
