"""The scripts by which a shell completes the command."""

import subprocess
import sys
from pathlib import Path

import pytest

from dynamo_backend_common.cli import main


def completed(script: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    code = (
        f"source {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1};"
        ' $(complete -p dynamo-backend | sed "s/.*-F \\([^ ]*\\).*/\\1/"); echo "${COMPREPLY[@]}"'
    )
    run = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.split()


def test_bash_completes_commands_and_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    assert completed(script, "dynamo-backend", "eng") == ["engines"]
    assert completed(script, "dynamo-backend", "serve", "--disco") == ["--discovery-backend"]


def test_zsh_gets_a_script_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    assert capsys.readouterr().out.startswith("#compdef dynamo-backend")


def test_without_the_library_it_is_told_how_to_have_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    assert "pip install 'dynamo-backend-common[completion]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["completion"], "the following arguments are required: shell"),
        (["completion", "fish"], "shell: invalid choice: 'fish'"),
    ],
)
def test_another_shell_is_wrong_usage(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    assert message in capsys.readouterr().err
