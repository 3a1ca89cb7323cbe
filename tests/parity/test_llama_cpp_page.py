"""docs/llama-cpp.md has the engine's options as they are.

As a program it writes them into it.
"""

import re
from pathlib import Path

from dynamo_backend_common.engines.llama_cpp import Options
from dynamo_backend_common.engines.llama_cpp.option import Spec, Switch, flag, specs

DOCUMENT = Path(__file__).parents[2] / "docs" / "llama-cpp.md"
COMMAND = '(source scripts/env.sh; "$python" -P tests/parity/test_llama_cpp_page.py)'
HEAD = "| option | value | default | |\n|---|---|---|---|\n"


def with_options(document: str) -> str:
    rows = "".join(row(name, spec) for name, spec in specs(Options).items())
    found = re.compile(re.escape(HEAD) + r"(?:\|.*\n)*")
    assert len(found.findall(document)) == 1
    return found.sub(lambda _: HEAD + rows, document)


def as_typed(text: str) -> str:
    return re.sub(r"`([a-z_]+)`", lambda found: f"`{flag(found[1])}`", text)


def row(name: str, spec: Spec) -> str:
    named = f"`{flag(name)}`"
    if isinstance(spec.kind, Switch):
        named += f", `{flag('no_' + name)}`"
    value = f"`{spec.kind.metavar}`" if spec.kind.metavar else ""
    return as_typed(f"| {named} | {value} | {spec.default} | {spec.help} |\n")


def test_the_page_has_every_option() -> None:
    document = DOCUMENT.read_text()
    assert document == with_options(document), f"this writes them: {COMMAND}"


def test_no_option_breaks_the_table() -> None:
    for name, spec in specs(Options).items():
        assert "|" not in spec.help + spec.default + spec.kind.metavar, name
        assert not spec.help.endswith("."), name


if __name__ == "__main__":
    DOCUMENT.write_text(with_options(DOCUMENT.read_text()))
