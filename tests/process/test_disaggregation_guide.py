"""The commands and the engine of docs/disaggregation.md, as they are written."""

import re
import shlex
from pathlib import Path

import pytest

from support.api import Api, text_of, wait_for_model
from support.launcher import COMMAND, Launcher
from support.processes import until

GUIDE = (Path(__file__).parents[2] / "docs" / "disaggregation.md").read_text()
PROMPT = "alpha beta gamma"
ENGINE = """
from dynamo_backend_common import EngineConfig

{guide}
class Whole(Split):
    "With what the guide leaves to the reader."

    kept = 0

    async def start(self, worker_id):
        return EngineConfig(model="echo", context_length=2048)

    async def prefill(self, prompt):
        return prompt[0], list(prompt[1:])

    async def fetch(self, blocks):
        self.blocks = blocks

    async def decode(self, token, request, context):
        yield {{"token_ids": [token, *self.blocks], "finish_reason": "stop"}}

    async def cleanup(self):
        pass
"""


def commands(model_folder: str, port: int) -> list[list[str]]:
    """The arguments of the guide's two workers."""
    lines = re.findall(r"^\$ dynamo-backend (.*)$", GUIDE, re.MULTILINE)
    assert len(lines) == 2
    filled = [line.replace("MODEL", model_folder).replace("8000", str(port)) for line in lines]
    return [shlex.split(line) for line in filled]


@pytest.mark.parametrize("engine", ["echo", "split:Whole"])
def test_two_commands_serve_in_two_workers(
    launcher: Launcher, model_folder: str, engine: str
) -> None:
    [written] = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (launcher.folder / "split.py").write_text(ENGINE.format(guide=written))
    port = launcher.ports.reserve()
    workers = [
        launcher.start(
            *COMMAND, *[engine if part == "echo" else part for part in line], cwd=launcher.folder
        )
        for line in commands(model_folder, port)
    ]
    api = Api(port)
    wait_for_model(api, "echo")
    [sent] = re.findall(r"-d '(.*)'", GUIDE)
    assert PROMPT in sent
    until(
        lambda: api.complete(PROMPT, model="echo").status not in (404, 503),
        "the frontend routes requests",
    )
    answer = api.complete(PROMPT, model="echo")
    assert answer.status == 200, answer.text
    assert text_of(answer.json).strip() == PROMPT
    if engine == "echo":
        # Whichever half is asked first refuses what neither has.
        refused = api.complete(PROMPT, model="echo", n=2)
        assert refused.status == 400, refused.text
    prefill, decode = workers
    assert prefill.terminate() == 0
    until(lambda: api.models() == [], "a decode worker alone is not listed")
    assert decode.terminate() == 0
