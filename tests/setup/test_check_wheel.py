"""Whether a wheel runs where its name promises."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from support.shell import ROOT


@pytest.mark.parametrize(
    ("found", "fits"),
    [
        ("manylinux_2_28_x86_64", True),
        ("manylinux_2_17_x86_64", True),
        ("manylinux_2_34_x86_64", False),
        ("manylinux_2_28_aarch64", False),
        ("linux_x86_64", False),
    ],
)
def test_the_platform_is_what_was_promised(found: str, fits: bool) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/check_wheel.py", "manylinux_2_28_x86_64"],
        cwd=ROOT,
        input=json.dumps({"overall_tag": found}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == fits
    assert found in done.stdout + done.stderr
