"""Section 6: a model that is fetched from the hub, all but its weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.api import text_of
from support.hub import Hub
from support.streams import PROMPT
from support.system import SERVING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.launcher import Launcher

NAME = "someone/a-model"


@pytest.fixture
def hub(launcher: Launcher, model_folder: str) -> Iterator[Hub]:
    folder = launcher.folder / "repository"
    shutil.copytree(Path(model_folder), folder)
    (folder / "model.safetensors").write_bytes(b"weights")
    with Hub(folder, NAME) as hub:
        yield hub


def env(launcher: Launcher, hub: Hub) -> dict[str, str]:
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(launcher.folder / "hf"),
        # Nobody listens there: this machine has no cache that machines share.
        "MODEL_EXPRESS_URL": f"http://127.0.0.1:{launcher.ports.reserve()}",
    }


def test_a_model_of_the_hub_is_served_without_its_weights(launcher: Launcher, hub: Hub) -> None:
    server = launcher.serve("plain:Plain", "--model-name", NAME, env=env(launcher, hub))
    answer = server.api.complete(PROMPT, model=server.model)
    assert text_of(answer.json).strip() == PROMPT
    assert {"config.json", "tokenizer.json", "tokenizer_config.json"} <= hub.asked
    assert "model.safetensors" not in hub.asked
    assert server.process.terminate() == 0


def test_the_card_says_where_a_frontend_elsewhere_finds_the_files(
    launcher: Launcher, hub: Hub
) -> None:
    options = ("--discovery-backend", "file", "--model-name", NAME)
    process = launcher.command("serve", "plain:Plain", *options, env=env(launcher, hub))
    process.wait_for_line(SERVING)
    folder = launcher.folder / "discovery" / "v1" / "mdc"
    [record] = (path for path in folder.rglob("*") if path.is_file())
    card = json.loads(record.read_text())["card_json"]
    assert card["source_path"] == NAME
    assert NAME in json.dumps(card["tokenizer"])
    assert str(launcher.folder) not in json.dumps(card)
    assert process.terminate() == 0


def test_a_model_that_the_hub_does_not_have_is_told_by_name(launcher: Launcher, hub: Hub) -> None:
    options = ("--discovery-backend", "file", "--model-name", "someone/else")
    process = launcher.command("serve", "lifecycles:Recorded", *options, env=env(launcher, hub))
    assert process.wait() == 1
    assert "error: fetch 'someone/else': no such path here, and the hub" in process.stderr
    assert launcher.latches.is_reached("cleanup")
