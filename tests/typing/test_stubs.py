"""The stubs of the compiled module say what it really has."""

import subprocess
import sys


def test_the_stubs_are_those_of_the_compiled_module() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "dynamo_backend_common._core"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
