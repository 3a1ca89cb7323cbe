"""The prompt is a sequence over Rust's memory, and serves wherever a list would."""

import json

from support.api import text_of
from support.launcher import Launcher


def test_the_prompt_serves_as_a_list_and_as_a_buffer(launcher: Launcher, model_folder: str) -> None:
    server = launcher.serve("prompts:Prompts", "--model-name", model_folder)
    answer = server.api.complete([504, 2365, 6354, 2365, 504])
    assert json.loads(launcher.latches.reached("failed")) == []
    assert answer.status == 200, answer.text
    assert text_of(answer.json)
