"""A start that fails: cleanup ran, the status is 1, and the message says what was wrong."""

import pytest

from support.launcher import Launcher


def failed(launcher: Launcher, model_folder: str, engine: str) -> tuple[str, str]:
    """Serves an engine that fails to start; returns the message, and all of the output."""
    port = launcher.ports.reserve()
    process = launcher.command(
        "serve", f"lifecycles:{engine}", "--http-port", str(port), "--model-name", model_folder
    )
    assert process.wait() == 1
    assert launcher.latches.is_reached("cleanup")
    assert not launcher.latches.is_reached("drain")
    last = process.stderr.splitlines()[-1]
    assert last.startswith("dynamo-backend: error: ")
    return last, process.output


def test_section_12_5_start_raises(launcher: Launcher, model_folder: str) -> None:
    message, output = failed(launcher, model_folder, "StartRaises")
    assert "start: " in message
    assert "no weights on this disk" in message
    assert "Traceback (most recent call last)" in output
    assert 'raise RuntimeError("no weights on this disk")' in output
    assert output.count("Traceback (most recent call last)") == 1


@pytest.mark.parametrize(
    ("engine", "given"), [("StartReturnsDict", "dict"), ("StartReturnsNothing", "NoneType")]
)
def test_section_12_5_start_returns_something_else(
    launcher: Launcher, model_folder: str, engine: str, given: str
) -> None:
    message, output = failed(launcher, model_folder, engine)
    assert engine in message
    assert given in message
    assert "EngineConfig" in message
    assert "Traceback" not in output


def test_section_12_5_start_returns_a_wrong_field(launcher: Launcher, model_folder: str) -> None:
    message, _ = failed(launcher, model_folder, "StartReturnsWrongField")
    for part in ("context_length", "str", "int"):
        assert part in message
