"""The rules that keep the structure: what depends on what, and which files are the only ones."""

import re
import subprocess
from pathlib import Path

import pytest

from support.rust_modules import Crate, circles, floors, rooms

ROOT = Path(__file__).parents[2]
LONGEST = 400


def sources(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


@pytest.mark.parametrize(
    ("crate", "banned"),
    [
        ("dynamo-engine-abi", ["serde", "tokio", "libc"]),
        ("dynamo-engine", ["pyo3", "dynamo-runtime", "dynamo-llm", "tokio"]),
        ("dynamo-backend-environment", ["pyo3", "dynamo-runtime", "dynamo-llm"]),
        ("dynamo-backend-handoff", ["pyo3", "dynamo-runtime", "dynamo-llm"]),
        ("dynamo-backend-lifecycle", ["pyo3", "dynamo-runtime", "dynamo-llm"]),
        ("dynamo-backend-vllm", ["pyo3", "dynamo-runtime", "dynamo-llm", "zmq"]),
        ("dynamo-backend-worker", ["pyo3"]),
        ("dynamo-backend-python", ["dynamo-backend-common", "google-cloud-auth"]),
    ],
)
def test_dependence_has_one_direction(crate: str, banned: list[str]) -> None:
    tree = subprocess.run(
        ["cargo", "tree", "--offline", "--package", crate, "--edges", "normal", "--prefix", "none"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.split()[0] for line in tree.stdout.splitlines() if line}
    assert crate in names
    assert names.isdisjoint(banned)


@pytest.mark.parametrize(
    "crate",
    ["engine", "engine-abi", "environment", "handoff", "lifecycle", "python", "vllm", "worker"],
)
def test_no_file_takes_from_one_that_takes_from_it(crate: str) -> None:
    arrows = Crate(ROOT / "rust" / crate / "src").arrows()
    assert any(arrows.values())
    assert circles(arrows) == []


@pytest.mark.parametrize(
    "crate",
    ["engine", "engine-abi", "environment", "handoff", "lifecycle", "python", "vllm", "worker"],
)
def test_no_module_takes_from_one_that_stands_on_it(crate: str) -> None:
    arrows = rooms(Crate(ROOT / "rust" / crate / "src").arrows())
    assert circles(arrows) == []
    assert floors(arrows) <= 8


def test_rooms_and_floors_are_counted() -> None:
    files = {"crate": {"b::x"}, "a": {"b"}, "b": {"b::x"}, "b::x": {"c"}, "b::y": {"a"}, "c": set()}
    between = rooms(files)
    assert between == {"crate": {"b"}, "a": {"b"}, "b": {"c", "a"}, "c": set()}
    assert circles(between) == [["a", "b"]]
    assert floors(between | {"b": {"c"}}) == 3


def test_a_circle_is_found(tmp_path: Path) -> None:
    files = {
        "lib.rs": "mod a;\nmod b;\nmod c;\npub use a::{inner::Thing, Other};\n",
        "a.rs": "mod inner;\n#[cfg(test)]\nmod told;\n"
        "use crate::c;\npub use std::fmt;\nfn call() { c::deep::it() }\n",
        "a/told.rs": "use crate::b;\n",
        "a/inner.rs": "// crate::b\npub struct Thing;\nfn call() { super::super::b::call() }\n",
        "c.rs": "mod deep;\npub struct Word;\n"
        """fn call<'a>() { f('"', "http://a", r#"b::"d"#, '\\'', "a::b"); deep::it() }\n""",
        "c/deep.rs": "use super::Word;\nuse crate::a::fmt;\npub fn it() {}\n",
        "b.rs": "use crate::{\n    Thing as It,\n    a::Other,\n};\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    arrows = Crate(tmp_path).arrows()
    assert arrows == {
        "crate": {"a", "a::inner"},
        "a": {"c", "c::deep"},
        "a::inner": {"b"},
        "b": {"a", "a::inner"},
        "c": {"c::deep"},
        "c::deep": {"c"},
    }
    assert circles(arrows) == [["a::inner", "b"], ["c", "c::deep"]]


@pytest.mark.parametrize(
    ("call", "only"),
    [
        (r"\bsigaction\(", "rust/worker/src/signals.rs"),
        (r"\b_exit\(|process::exit\(", "rust/worker/src/exit.rs"),
        (r"\b(?:set|remove)_var\(", "rust/environment/src/variable.rs"),
        (r"\bPyErr::from_value\(|::new_err\(", "rust/python/src/errors.rs"),
        (r"\buse pyo3\b", "rust/python/"),
    ],
)
def test_the_only_files_stay_the_only_ones(call: str, only: str) -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in sources("rust/*.rs")
        if re.search(call, path.read_text())
    }
    assert found
    assert {name for name in found if not name.startswith(only)} == set()


def test_no_file_must_be_scrolled_to_be_understood() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in sources("*.rs", "*.py", "*.pyi")
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_no_code_that_the_tests_would_import_shadows_the_installed_package() -> None:
    import dynamo_backend_common

    assert "site-packages" in dynamo_backend_common.__file__


def test_a_free_threaded_interpreter_is_told_to_keep_its_lock() -> None:
    # An abi3 module has no place for it that could be read: only who compiles for one version has.
    [module] = sources("rust/python/src/lib.rs")
    assert re.search(r"#\[pymodule\(gil_used = true\)\]\nmod _core\b", module.read_text())
