"""ai-dynamo's own tests of its backend, with this package in its worker's place: all that a table
says are about what is taken over pass, and the table has every one."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.frontend import PYTHON
from support.reference import paths

if TYPE_CHECKING:
    from support.launcher import Launcher

pytestmark = pytest.mark.frontend

PLUGIN = Path(__file__).parents[1] / "support" / "scripts" / "their_own_tests.py"
TOLD = "test: "
with Path(__file__).with_name("reference_own_tests.toml").open("rb") as table:
    GROUPS = tomllib.load(table)["group"]
KINDS: dict[str, str] = {name: group["kind"] for group in GROUPS for name in group["tests"]}
FOLDERS = ("common/backend/tests", "tokenspeed/tests")


def site_packages() -> Path:
    """Of the environment that has ai-dynamo."""
    [folder] = (PYTHON.parents[1] / "lib").glob("python3.*/site-packages")
    return folder


def outcomes(folder: Path) -> list[dict[str, Any]]:
    """What became of each of their tests; those of parameters are several of one name."""
    theirs = site_packages()
    settings = folder / "pytest.ini"
    settings.write_text("[pytest]\nasyncio_mode = auto\n")
    # pytest is in the environment that runs this, so theirs is put behind it.
    begin = (
        f"import runpy, sys; sys.path += [{str(theirs)!r}]; sys.argv = sys.argv[:1] + sys.argv[2:];"
        f" runpy.run_path({str(PLUGIN)!r}, run_name='__main__')"
    )
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:dynamo", "-W", "ignore", "-c"]
    run = subprocess.run(
        [sys.executable, "-P", "-c", begin, "--", *options, str(settings), f"--rootdir={folder}"]
        + [str(theirs / "dynamo" / tests) for tests in FOLDERS],
        input=json.dumps([name for name, kind in KINDS.items() if kind == "through"]),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith(TOLD)]
    assert lines, run.stdout + run.stderr
    return [json.loads(line.removeprefix(TOLD)) for line in lines]


def test_those_that_are_about_what_is_taken_over_pass(tmp_path: Path) -> None:
    ran = outcomes(tmp_path)
    assert {test["name"] for test in ran} == set(KINDS)
    failed = [test["name"] for test in ran if test["outcome"] != "passed"]
    assert [name for name in failed if KINDS[name] != "elsewhere"] == []
    for test in ran:
        # The others call it as it is.
        assert bool(test["requests"]) == (KINDS[test["name"]] == "through")
    counts = Counter(KINDS[test["name"]] for test in ran)
    assert sum(counts.values()) == 285
    assert counts["through"] >= 9


def test_each_is_named_once_with_a_reason() -> None:
    names = [name for group in GROUPS for name in group["tests"]]
    assert len(names) == len(set(names))
    assert all(group["why"] for group in GROUPS)
    assert set(KINDS.values()) == {"through", "beside", "elsewhere"}


def test_our_context_and_spans_have_what_their_telemetry_calls(launcher: Launcher) -> None:
    program = (
        "import asyncio, sys;"
        f"sys.path[:0] = [{str(site_packages() / 'dynamo' / FOLDERS[0])!r}];"
        f"sys.path += [{str(Path(pytest.__file__).parents[1])!r}];"
        "import test_telemetry as theirs;"
        "from dynamo.common.backend import telemetry;"
        "from dynamo_backend_common.reference.context import ReferenceContext;"
        "from dynamo_backend_common.testing import context\n"
        "async def main():\n"
        "    own = ReferenceContext(context(metadata={'a': 'b'}))\n"
        "    assert isinstance(own, theirs._ContextProtocol)\n"
        "    assert isinstance(telemetry.current_span(own), theirs._SpanProxyProtocol)\n"
        "    with telemetry.start_span(own, 'load', blocks=8) as span:\n"
        "        assert isinstance(span, theirs._SpanProxyProtocol)\n"
        "        span.set_status('error', 'timeout')\n"
        "    assert telemetry.engine_trace_kwargs(own) == {}\n"
        "    assert dict(own.metadata) == {'a': 'b'}\n"
        "    waiting = own.async_killed_or_stopped()\n"
        "    assert not (waiting.done() or own.is_stopped())\n"
        "    own.stop_generating()\n"
        "    assert await waiting is True and own.is_stopped()\n"
        "    other = own.detached('other')\n"
        "    assert (other.id(), other.is_stopped(), other == own) == ('other', False, False)\n"
        "asyncio.run(main())\n"
        "print('held')"
    )
    process = launcher.start(str(PYTHON), "-c", program, env=paths(launcher.folder))
    assert process.wait() == 0, process.output
    assert process.stdout == "held"
