"""``pytest --dynamo-engine``, and the page that tells of it, in a pytest of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from dynamo_backend_common.testing import CHECKS
from support.pages import Page

ROOT = Path(__file__).parents[3]
PAGE = Page("testing.md")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    PAGE.save_programs(tmp_path)
    return tmp_path


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """With this one plugin, whether the package is installed or not."""
    paths = [str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [
            *[sys.executable, "-P", "-m", "pytest", "-p", "dynamo_backend_common.pytest_plugin"],
            *["-p", "no:cacheprovider", "--rootdir", str(folder), *arguments],
        ],
        cwd=folder,
        env=os.environ
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_comes_with_the_package() -> None:
    [point] = entry_points(group="pytest11", name="dynamo")
    assert point.value == "dynamo_backend_common.pytest_plugin"


def test_the_pages_programs_pass(folder: Path) -> None:
    ran = run_pytest(folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "5 passed" in ran.stdout


def test_the_page_has_every_check() -> None:
    told = re.findall(r"^\| `(\w+)` \|", PAGE.text, re.MULTILINE)
    assert tuple(told) == CHECKS


def test_each_check_is_a_test(folder: Path) -> None:
    engine = ("--dynamo-engine", "my_engine:Echo", "--dynamo-requests", "50")
    ran = run_pytest(folder, "-v", *engine, "-k", "my_engine:Echo")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for check in CHECKS:
        assert re.search(rf"my_engine:Echo::{check} (PASSED|SKIPPED)", ran.stdout), ran.stdout


def test_a_check_that_fails_says_what_and_how_to_mend_it(folder: Path) -> None:
    engine = "support.wrong_engines:CleansUpOnce"
    ran = run_pytest(folder, "--dynamo-engine", engine, "--dynamo-requests", "1", "-k", "cleanup")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "cleanup_twice: the second one raised RuntimeError: closed already" in ran.stdout
    assert "mend: in cleanup, clear what was released" in ran.stdout
    assert "Traceback" not in ran.stdout


def test_an_engine_that_is_not_there_is_bad_usage(folder: Path) -> None:
    ran = run_pytest(folder, "--dynamo-engine", "my_engine:Ecko")
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--dynamo-engine: module 'my_engine' has no attribute 'Ecko'" in ran.stderr
    assert "did you mean 'Echo'?" in ran.stderr


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def __init__(self, layers): ...", "cannot be made without 'layers'; write a classmethod"),
        ("def configur(self): ...", "a method configur, which the worker does not call"),
    ],
)
def test_an_engine_that_cannot_be_is_told_so(folder: Path, body: str, said: str) -> None:
    code = f"from support.good_engines import Good\nclass Mine(Good):\n    {body}\n"
    (folder / "wanting.py").write_text(code)
    ran = run_pytest(folder, "--dynamo-engine", "wanting:Mine", "-k", "wanting:Mine")
    assert ran.returncode != 0
    assert said in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    assert "hooks.py" not in ran.stdout


def test_without_an_engine_nothing_is_added(folder: Path) -> None:
    ran = run_pytest(folder, "--collect-only", "-q")
    assert "5 tests collected" in ran.stdout
