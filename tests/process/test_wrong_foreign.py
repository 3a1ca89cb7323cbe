"""What an object may hand over wrongly, and engines from elsewhere that break the rules."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from dynamo_backend_common import InvalidArgument, Worker
from support.api import text_of
from support.engines.foreign import GivesOneTwice, OfLibrary
from support.launcher import ENGINES
from support.native import NATIVE, compile_library

if TYPE_CHECKING:
    from pathlib import Path

    from support.launcher import Launcher
    from support.processes import Process

ERROR = "dynamo-backend: error: "
MEM = ("--discovery-backend", "mem")

HANDED_OVER = {
    "Raises": "raised FileNotFoundError: no weights",
    "GivesInt": "returned int; it must return a PyCapsule named",
    "GivesOtherCapsule": 'returned a capsule named "arrow_array_stream"; it must be named',
    "GivesNamelessCapsule": "returned a capsule without a name; it must be named",
    "TakesNoVersion": "raised TypeError: TakesNoVersion.__dynamo_engine__() takes 1 positional",
}

REFUSED = {
    "an old version": "version 0.0 of the engine interface; this worker has",
    "a newer major version": "version 9.1 of the engine interface; this worker has",
    "a size that is too small": "has a size of 16 bytes, and that of version",
    "a feature that must be understood": "needs features of its worker that this one does not have",
    "no name": "has no name: `name` must be text in UTF-8 that is not empty",
    "a name in no language": "has no name: `name` must be text in UTF-8",
    "no start": "the engine Wrong has no start: a function of its table that is required is null",
    "no table": "the engine was taken already",
}

FAILS_TO_START = {
    "start fails": "no weights at s3://nowhere",
    "start fails in silence": "Wrong.start failed without a message",
    "start answers 77": "Wrong.start answered the status 77, which is none of a call",
    "start answers done": "Wrong.start answered the status 3, which is none of a call",
    "start begins nothing": "Wrong.start began an operation without a table",
    "start answers no JSON": "Wrong.start answered: expected value",
    "start answers an unknown key": "Wrong.start answered: unknown field `contxt_length`, expected",
    "start answers no model": "Wrong.start answered: missing field `model`",
}

FAILS_ONE = {
    "generate fails in silence": "Wrong.generate failed without a message",
    "generate answers pending": "Wrong.generate answered the status 0, which is none of a generate",
    "generate answers no stream": "Wrong.generate answered a stream without a table",
    "poll fails in silence": "Wrong.generate failed without a message",
    "poll fails in no language": "not \ufffd utf-8",
    "poll fails with a kind of its own": "the kernel is on fire",
    "poll answers 77": "Wrong.generate answered the status 77, which is none of a poll",
    "the stream is done before its end": "ended the stream without a terminal chunk",
    "a chunk ends for the reason 77": "Wrong.generate answered a chunk: 77 is no finish_reason",
    "a chunk has three tokens at null": "token_ids is a null pointer with a length of 3",
    "a chunk has too few log probabilities": "log_probs",
    "a chunk has JSON that is none": "Wrong.generate answered a chunk: json: EOF while parsing",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(tmp_path_factory.mktemp("wrong"), NATIVE / "wrong.c")


def message(process: Process) -> str:
    """The one line of an error, which is all that a user sees of it."""
    [line] = [line for line in process.stderr.splitlines() if line.startswith(ERROR)]
    assert "Traceback" not in process.output
    return line.removeprefix(ERROR)


@pytest.mark.parametrize("name", HANDED_OVER)
@pytest.mark.parametrize("command", [("serve", *MEM), ("check",)])
def test_an_object_that_hands_over_something_else_is_bad_usage(
    launcher: Launcher, name: str, command: tuple[str, ...]
) -> None:
    process = launcher.command(command[0], f"foreign:{name}", *command[1:])
    assert process.wait() == 2
    assert message(process).startswith(f"engine: {name}.__dynamo_engine__ {HANDED_OVER[name]}")


@pytest.mark.parametrize("wrong", REFUSED)
def test_an_engine_that_cannot_be_taken_is_bad_usage(
    launcher: Launcher, library: Path, wrong: str
) -> None:
    process = launcher.command("serve", "foreign:OfLibrary", *MEM, "--", str(library), wrong)
    assert process.wait() == 2
    said = message(process)
    assert said.startswith("engine: OfLibrary.__dynamo_engine__ returned an engine that cannot")
    assert REFUSED[wrong] in said


@pytest.mark.parametrize("wrong", FAILS_TO_START)
def test_an_engine_that_does_not_start_says_why(
    launcher: Launcher, library: Path, wrong: str
) -> None:
    process = launcher.command("serve", "foreign:OfLibrary", *MEM, "--", str(library), wrong)
    assert process.wait() == 1
    assert FAILS_TO_START[wrong] in message(process)


def test_an_engine_is_taken_once(library: Path) -> None:
    engine = GivesOneTwice(str(library), "")
    Worker(engine)
    with pytest.raises(InvalidArgument, match="whose engine was taken before; it must make a new"):
        Worker(engine)


def test_one_that_is_handed_over_once_is_checked_but_for_what_takes_two(
    launcher: Launcher, library: Path
) -> None:
    (launcher.folder / "once.py").write_text(
        f"from foreign import GivesOneTwice\nengine = GivesOneTwice({str(library)!r}, '')\n"
    )
    path = {"PYTHONPATH": str(ENGINES)}
    checked = launcher.command("check", "once:engine", cwd=launcher.folder, env=path)
    checked.wait()
    assert "skipped cleanup_after_failed_start: this check needs another engine" in checked.stdout
    assert "passed  one_terminal_chunk" in checked.stdout


def test_a_stream_that_goes_on_behind_its_end_fails_the_check_for_that(
    launcher: Launcher, library: Path
) -> None:
    wrong = (str(library), "the stream goes on behind its end")
    checked = launcher.command("check", "foreign:OfLibrary", "--", *wrong)
    assert checked.wait() == 1
    assert "failed  one_terminal_chunk: yielded more after the chunk with Stop" in checked.stdout


def test_an_engine_and_its_object_live_as_long_as_the_worker(library: Path) -> None:
    engine = OfLibrary(str(library), "")
    before = engine.released
    held = weakref.ref(engine)
    worker = Worker(engine)
    del engine
    gc.collect()
    seen = held()
    assert seen is not None
    assert seen.released == before
    other = OfLibrary(str(library), "")
    del worker, seen
    gc.collect()
    assert held() is None
    assert other.released == before + 1


@pytest.mark.parametrize("wrong", FAILS_ONE)
def test_a_request_that_goes_wrong_takes_no_other_with_it(
    launcher: Launcher, library: Path, model_folder: str, wrong: str
) -> None:
    options = ("--model-name", model_folder, "--", str(library), wrong)
    server = launcher.serve("foreign:OfLibrary", *options)
    failed = server.api.complete("one", max_tokens=8)
    assert failed.status >= 400, failed.text
    served = server.api.complete("one", max_tokens=8)
    assert served.status == 200, served.text
    assert server.process.terminate() == 0
    assert FAILS_ONE[wrong] in server.process.output
    assert "Traceback" not in server.process.output


@pytest.mark.parametrize("fine", ["nothing wrong", "a newer minor version"])
def test_an_engine_of_a_later_minor_version_is_taken(
    launcher: Launcher, library: Path, model_folder: str, fine: str
) -> None:
    options = ("--model-name", model_folder, "--", str(library), fine)
    server = launcher.serve("foreign:OfLibrary", *options)
    assert text_of(server.api.complete("one").json)
    assert server.process.terminate() == 0


def test_of_an_object_that_has_both_only_configure_is_called(
    launcher: Launcher, library: Path, model_folder: str
) -> None:
    options = ("--model-name", model_folder, "--", str(library))
    server = launcher.serve("foreign:Both", *options)
    assert server.api.complete("one").status == 200
    assert server.process.terminate() == 0
    assert "configured" in server.process.stdout
