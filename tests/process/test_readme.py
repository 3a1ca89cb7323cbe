"""The README's own lines, run as a user would."""

import re
import sys
from pathlib import Path

import pytest

from support.api import Api, text_of
from support.launcher import Launcher

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def program(launcher: Launcher) -> Path:
    """The README's engine of one's own, in a file of the name that the README gives it."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    [engine] = [block for block in blocks if "Worker(" in block]
    path = launcher.folder / "my_engine.py"
    path.write_text(engine)
    return path


def answers(api: Api) -> None:
    assert api.models() == ["echo"]
    assert text_of(api.complete("Hello, Dynamo!").json) == "Hello, Dynamo!"


def test_the_program_serves(launcher: Launcher, model_folder: str, program: Path) -> None:
    port = launcher.ports.reserve()
    text = program.read_text()
    # What a user fills in; and the README's port may be somebody else's here.
    filled_in = {"path/to/model": model_folder, "http_port=8000": f"http_port={port}"}
    for given, value in filled_in.items():
        assert text.count(given) == 1
        text = text.replace(given, value)
    program.write_text(text)
    process = launcher.start(sys.executable, program.name, cwd=launcher.folder)
    process.wait_for_line("Serving echo on dynamo.backend.generate")
    answers(Api(port))
    assert process.terminate() == 0
    assert "Traceback" not in process.output


def test_the_command_line_serves_it(launcher: Launcher, model_folder: str, program: Path) -> None:
    assert program.stem == "my_engine"
    options = ["--endpoint-types", "completions"]
    line = f"serve my_engine:Echo --model-name MODEL --http-port 8000 {' '.join(options)}\n"
    assert line in README.read_text()
    server = launcher.serve(
        "my_engine:Echo", "--model-name", model_folder, *options, cwd=launcher.folder
    )
    answers(server.api)
    assert server.process.terminate() == 0
