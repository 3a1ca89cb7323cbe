"""The README's own lines, run as a user would."""

import re
import sys
from pathlib import Path

import pytest

from support.api import Api
from support.launcher import Launcher

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def program() -> str:
    """The README's engine of one's own."""
    assert README.is_file(), f"no {README}"
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    [engine] = [block for block in blocks if "Worker(" in block]
    return str(engine)


def test_the_lines_of_python_serve_an_engine(
    launcher: Launcher, model_folder: str, program: str
) -> None:
    port = launcher.ports.reserve()
    path = launcher.folder / "my_engine.py"
    # What a user fills in, and nothing else.
    program = re.sub(r'model_name="[^"]*"', f"model_name={model_folder!r}", program)
    program = re.sub(r"http_port=\d+", f"http_port={port}", program)
    path.write_text(program)
    process = launcher.start(sys.executable, str(path), cwd=launcher.folder, DYN_LOG="info")
    process.wait_for_line(r"Serving \S+ on ")
    api = Api(port)
    [model] = api.models()
    assert api.complete("alpha beta", model=model).status == 200
    assert process.terminate() == 0
