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


def test_an_engine_that_wants_a_list_gets_one(launcher: Launcher, model_folder: str) -> None:
    server = launcher.serve("prompts:AsList", "--model-name", model_folder)
    tokens = [504, 2365, 6354]
    assert server.api.complete(tokens).status == 200
    kind, request = json.loads(launcher.latches.reached("prompt"))
    assert (kind, request["token_ids"]) == ("list", tokens)


def test_whether_it_wants_one_is_true_or_false(launcher: Launcher) -> None:
    process = launcher.command("serve", "prompts:AsAnything", "--discovery-backend", "mem")
    assert process.wait() == 2
    assert "token_ids_as_list: 'yes' of AsAnything" in process.stderr
