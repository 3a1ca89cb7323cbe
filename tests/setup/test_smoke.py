"""Trying the wheel to hand out: which one, in which Python."""

from pathlib import Path

from support.shell import Shell


def test_a_wheel_that_is_not_there(shell: Shell, tmp_path: Path) -> None:
    done = shell.call("scripts/smoke.sh", str(tmp_path / "none.whl"))
    assert done.returncode == 1
    assert "there is no wheel" in done.stderr
    assert "make wheel builds one" in done.stderr


def test_a_wheel_that_is_named_is_tried_in_the_python_that_is_named(
    shell: Shell, tmp_path: Path
) -> None:
    wheel = tmp_path / "dynamo_backend_common-0-cp311-abi3-any.whl"
    wheel.touch()
    shell.pretend(
        "python3", 'case $1 in --version) echo "Python 3.99" ;; *) echo "asked $@" ;; esac'
    )
    done = shell.call("scripts/smoke.sh", str(wheel))
    assert done.returncode == 0, done.stderr
    assert f"Trying {wheel.name} in Python 3.99" in done.stdout
    assert f"asked scripts/smoke.py {wheel}" in done.stdout
