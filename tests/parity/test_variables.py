"""The one table of variables against the document that shows it, the sources, and Dynamo's.

As a program it writes the table into docs/operations.md.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dynamo_backend_common._core import EnvironmentVariable, environment_variables

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "operations.md"
COMMAND = 'make build && (source scripts/env.sh; "$python" -P tests/parity/test_variables.py)'
TABLE = re.compile(r"^\| variable \|.*?\n(?=\n)", re.MULTILINE | re.DOTALL)
VARIABLES = {variable.name: variable for variable in environment_variables()}


def with_table(document: str) -> str:
    head = "| variable | type | default | read by | |\n|---|---|---|---|---|\n"
    [found] = TABLE.findall(document)
    return document.replace(found, head + "".join(map(row, VARIABLES.values())))


def row(variable: EnvironmentVariable) -> str:
    kind = ", ".join(f"`{value}`" for value in variable.values) or variable.kind
    default = variable.otherwise or "unset"
    if variable.default:
        default = f"`{variable.default}`" + f" ({variable.otherwise})" * bool(variable.otherwise)
    read_by = ", ".join(variable.read_by)
    return f"| `{variable.name}` | {kind} | {default} | {read_by} | {variable.help} |\n"


def test_the_document_has_the_table() -> None:
    document = DOCUMENT.read_text()
    assert document == with_table(document), f"this writes it: {COMMAND}"


def test_no_row_is_incomplete() -> None:
    for variable in VARIABLES.values():
        assert variable.read_by, variable.name
        assert variable.help, variable.name
        assert "|" not in variable.help + variable.otherwise, variable.name


def test_rust_reads_and_writes_only_what_the_table_has() -> None:
    literal = rf'"(?:{"|".join(VARIABLES)}|(?:DYN|ETCD|NATS|OTEL)_[A-Z0-9_]+)"'
    call = r"\benv::(?:vars?|vars?_os|set_var|remove_var)\b"
    found = {path: re.findall(f"{literal}|{call}", source) for path, source in rust()}
    assert len(found.pop("rust/environment/src/variable.rs")) == 3
    assert {path: names for path, names in found.items() if names} == {}


def test_python_reads_and_writes_only_what_the_table_has() -> None:
    named = r'(?:environ(?:\.\w+\(|\[)"|"(?=[A-Z0-9]+_)|\benvs\.)([A-Z][A-Z0-9_]*)\b'
    sources = [(ROOT / path).read_text() for path in listed("python/*.py")]
    names = {name for source in sources for name in re.findall(named, source)}
    assert {"DYN_LOG", "VLLM_RPC_BASE_PATH", "VLLM_LOG_STATS_INTERVAL"} <= names
    # Beside our own names, what `os.sysconf` and `mmap` are asked for.
    others = {"HEALTH_CHECK_KEY", "MADV_HUGEPAGE", "RUST_CHECKS", "SC_PAGE_SIZE", "SC_PHYS_PAGES"}
    assert names - VARIABLES.keys() == others
    set_by_us = r'environ\.setdefault\(\s*"(\w+)", "(\w+)"'
    for name, value in re.findall(set_by_us, "".join(sources)):
        assert VARIABLES[name].default == value


def test_what_the_runtime_reads_is_in_its_sources() -> None:
    metadata = subprocess.run(
        ["cargo", "metadata", "--offline", "--format-version", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    packages = json.loads(metadata.stdout)["packages"]
    known = {"dynamo-runtime", "dynamo-llm", "kube-client"}
    folders = [Path(p["manifest_path"]).parent for p in packages if p["name"] in known]
    assert len(folders) == len(known)
    source = "".join(path.read_text() for folder in folders for path in folder.rglob("src/**/*.rs"))
    readers = {"Dynamo's runtime", "frontend in the process"}
    theirs = [name for name, variable in VARIABLES.items() if readers & {*variable.read_by}]
    assert theirs
    assert [name for name in theirs if f'"{name}"' not in source] == []


def rust() -> Iterator[tuple[str, str]]:
    """The sources by their paths, without comments and tests."""
    sources = {Path(path): (ROOT / path).read_text() for path in listed("rust/*/src/*.rs")}
    tests = {
        (path.parent if path.stem == "lib" else path.with_suffix("")) / name
        for path, source in sources.items()
        for name in re.findall(r"#\[cfg\([^]]*\btest\b[^]]*\]\s+(?:pub )?mod (\w+);", source)
    }
    for path, source in sources.items():
        if tests.isdisjoint({path.with_suffix(""), *path.parents}):
            code = source.split("#[cfg(test)]\nmod tests {")[0]
            yield str(path), re.sub(r"^\s*//.*", "", code, flags=re.MULTILINE)


def listed(*patterns: str) -> list[str]:
    files = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return files.stdout.splitlines()


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text()))
