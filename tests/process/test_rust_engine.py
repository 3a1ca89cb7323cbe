"""`examples/rust-engine`, in a folder of its own: built, tested and served as by its author."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.api import Api, text_of, wait_for_model
from support.frontend import CACHE
from support.launcher import Launcher

ROOT = Path(__file__).parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or CACHE / "target")
LEFT_OUT = "rust/left-out/google-cloud-storage"

# What the copy of LEFT_OUT has from the workspace around it.
WORKSPACE = """
[workspace.package]
edition = "2024"
rust-version = "1.95"
license = "Apache-2.0"
publish = false
"""


@pytest.fixture(scope="module")
def crate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, whose dependencies are those that are compiled already.

    Cargo tells what is patched by its place in the workspace, and what is new by its time.
    """
    crate = tmp_path_factory.mktemp("author") / "rust-engine"
    shutil.copytree(
        ROOT / "examples/rust-engine", crate, ignore=shutil.ignore_patterns("target", "Cargo.lock")
    )
    shutil.copytree(ROOT / LEFT_OUT, crate / LEFT_OUT)
    shutil.copytree(ROOT / ".cargo", crate / ".cargo")
    shutil.copytree(ROOT / "rust/swagger-ui", crate / "rust/swagger-ui")
    shutil.copy(ROOT / "Cargo.lock", crate)
    manifest = crate / "Cargo.toml"
    text = manifest.read_text().replace(f"../../{LEFT_OUT}", LEFT_OUT)
    manifest.write_text(text.replace("../../rust", f"{ROOT}/rust") + WORKSPACE)
    return crate


@pytest.mark.timeout(900)
def test_it_keeps_the_contract_and_serves(
    crate: Path, launcher: Launcher, model_folder: str
) -> None:
    built = subprocess.run(
        ["cargo", "test", "--offline"],
        cwd=crate,
        env=os.environ | {"CARGO_TARGET_DIR": str(TARGET)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert "test it_keeps_the_contract ... ok" in built.stdout

    port = launcher.ports.reserve()
    process = launcher.start(str(TARGET / "debug/rust-engine"), model_folder, str(port))
    api = Api(port)
    wait_for_model(api)
    answer = api.complete(" one two", max_tokens=4)
    assert answer.status == 200, answer.text
    assert text_of(answer.json).split() == ["one", "two", "one", "two"]
    assert process.terminate() == 0
