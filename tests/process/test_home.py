"""No home folder, or one that cannot be written to, as in a container: the model is listed."""

import os
from pathlib import Path

import pytest

from support.api import text_of
from support.launcher import Launcher

PROMPT = "alpha beta gamma"


@pytest.mark.parametrize("home", ["", "/proc/no-such-home", "/dev/null", "relative"])
@pytest.mark.parametrize("engine", ["echo", "plain:Plain"])
def test_fault_44_a_home_that_takes_no_files_is_replaced(
    launcher: Launcher, model_folder: str, tmp_path: Path, home: str, engine: str
) -> None:
    # Without a home of the environment's, that of the account counts.
    env = {"HOME": home, "TMPDIR": str(tmp_path)}
    server = launcher.serve(engine, "--model-name", model_folder, env=env)
    assert text_of(server.api.complete(PROMPT).json).strip() == PROMPT
    assert server.process.terminate() == 0
    assert (tmp_path / f"dynamo-home-{os.geteuid()}").is_dir() == bool(home)


def test_fault_44_where_nothing_takes_files_the_variable_is_told_before_the_start(
    launcher: Launcher, model_folder: str
) -> None:
    port = str(launcher.ports.reserve())
    process = launcher.command(
        *("serve", "lifecycles:Recorded", "--http-port", port, "--model-name", model_folder),
        env={"HOME": "/proc/no-such-home", "TMPDIR": "/proc"},
    )
    assert process.wait() == 1
    assert "error: HOME: " in process.stderr
    assert "TMPDIR" in process.stderr
    assert not launcher.latches.is_reached("start")
