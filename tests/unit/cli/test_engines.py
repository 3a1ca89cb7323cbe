"""The list of engines."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from dynamo_backend_common.cli import engines, main

MODULE = """\"\"\"Answers ``42``.

More of it.
\"\"\"
REQUIRES = ("pytest", "not-installed-anywhere")
raise RuntimeError("nobody imports this")
"""


def known(monkeypatch: pytest.MonkeyPatch, **modules: str) -> None:
    points = {
        name: EntryPoint(name, f"{module}:Engine", "dynamo_backend_common.engines")
        for name, module in modules.items()
    }
    monkeypatch.setattr(engines, "known_engines", lambda: points)


def test_the_bundled_engines_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("echo       dynamo-backend-common 0.")
    assert lines[0].endswith("an engine in Rust that answers with the tokens of the prompt.")
    assert [line.split()[0] for line in lines if line[0] != " "] == ["echo", "llama-cpp", "vllm"]


def test_what_is_missing_is_told_and_no_module_is_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "deep_thought.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder))
    (folder / "wrong.py").write_text("def")
    known(monkeypatch, deep="deep_thought", gone="not_a_module", wrong="wrong")
    assert main(["engines"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "deep   no package  Answers 42.",
        "       missing: not-installed-anywhere",
        "gone   no package",
        "       missing: no module named 'not_a_module'",
        "wrong  no package  cannot be read: SyntaxError: invalid syntax (<unknown>, line 1)",
    ]


def test_a_missing_extra_is_told_with_how_to_have_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = engines._is_there
    monkeypatch.setattr(
        engines, "_is_there", lambda name: name != "llama-cpp-python" and there(name)
    )
    assert main(["engines"]) == 0
    said = capsys.readouterr().out
    hint = "pip install 'dynamo-backend-common[llama-cpp]'"
    assert f"missing: llama-cpp-python; to have it: {hint}" in said


def test_serve_without_an_engine_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--component", "c"]) == 2
    *engine_lines, error = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in engine_lines if line[0] != " "] == [
        "echo",
        "llama-cpp",
        "vllm",
    ]
    assert error.startswith("dynamo-backend: error: which ENGINE?")
    assert "serve ENGINE -- --help" in error
