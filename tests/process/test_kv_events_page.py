"""docs/kv-events.md: its engine, run as a user would, tells what it has cached."""

import re
from pathlib import Path

import pytest

from support.event_plane import EventPlane
from support.launcher import Launcher, Server

PAGE = (Path(__file__).parents[2] / "docs" / "kv-events.md").read_text()
BLOCK_SIZE = 16
BLOCKS = 1000


@pytest.fixture
def server(launcher: Launcher, model_folder: str) -> Server:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    [program] = [block for block in blocks if "class Caching" in block]
    (launcher.folder / "caching.py").write_text(program)
    return launcher.serve(
        "caching:Caching",
        *["--model-name", model_folder, "--discovery-backend", "file"],
        cwd=launcher.folder,
    )


def names(prompt: list[int]) -> list[int]:
    """The hashes of a prompt's whole blocks, as unsigned numbers."""
    ends = range(BLOCK_SIZE, len(prompt) + 1, BLOCK_SIZE)
    return [hash(tuple(prompt[:end])) % 2**64 for end in ends]


def test_the_pages_engine_tells_what_it_stores_and_what_it_evicts(
    launcher: Launcher, server: Server
) -> None:
    # All but the last one fit.
    fit, more = divmod(BLOCKS, 31)
    prompts = [list(range(1000 + 500 * number, 1500 + 500 * number)) for number in range(fit + 1)]
    with EventPlane(launcher) as events:
        for prompt in prompts:
            assert server.api.complete(prompt, max_tokens=500).status == 200
            assert events.until_told_of(names(prompt)) == names(prompt)
        # What was used longest ago goes, the end of a prompt before its beginning.
        gone = names(prompts[0])[more:][::-1]
        assert events.until_told_of(gone) == gone
    assert server.process.terminate() == 0
    assert "Traceback" not in server.process.output
