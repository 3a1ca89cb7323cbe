"""Nothing that should have run is left out without a failure."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]

SKIPPING = """
import pytest

@pytest.mark.skip
def test_marked(): ...

def test_inside():
    pytest.skip("why not")

@pytest.mark.skip
def test_section_12_3_the_last_words_are_kubernetes_termination_message(): ...

@pytest.mark.xfail
def test_known():
    assert False
"""


def test_a_skip_is_a_failure_unless_it_is_listed(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    (tmp_path / "test_module.py").write_text("import pytest\npytest.importorskip('no_such')\n")
    done = subprocess.run(
        # Where CI is set, a summary repeats each message whole: none.
        [sys.executable, "-P", "-m", "pytest", "-qrN", "--continue-on-collection-errors", tmp_path],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("1 failed, 1 skipped, 1 xfailed, 2 errors")
    for test in ("test_module.py", "test_marked", "test_inside"):
        assert test in done.stdout
    assert done.stdout.count("tests/support/skips.py") == 3
