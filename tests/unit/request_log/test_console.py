"""Python's log on standard error, while a run lasts in a program without a log."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import pytest

from dynamo_backend_common import RequestLogFilter
from dynamo_backend_common._log.console import Console, asked_level


@contextmanager
def program_without_a_log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """The root logger as in a program that has not configured it, and what is written."""
    # No fixture: pytest's own handlers come after those.
    root = logging.getLogger()
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(io.StringIO()) as told:
        patch.setattr(root, "handlers", [])
        patch.setattr(root, "level", logging.WARNING)
        yield root, told


@pytest.mark.parametrize(
    ("directives", "level"),
    [
        ("", logging.INFO),
        ("warn", logging.WARNING),
        ("dynamo_runtime=debug", logging.INFO),
        ("dynamo_runtime=debug, ERROR", logging.ERROR),
        ("info,debug", logging.DEBUG),
        ("trace", 5),
        ("off", logging.CRITICAL + 1),
    ],
)
def test_the_level_is_that_of_everything(directives: str, level: int) -> None:
    assert asked_level(directives) == level


def test_the_root_logger_is_given_back() -> None:
    console = Console()
    with program_without_a_log() as (root, _):
        console.open(as_json=False, local_time=False)
        console.open(as_json=False, local_time=False)
        assert (len(root.handlers), root.level) == (1, logging.INFO)
        console.close()
        console.close()
        assert (root.handlers, root.level) == ([], logging.WARNING)


def test_a_json_line_holds_one_record() -> None:
    console = Console()
    extra = {"size": 3, "target": "no", "odd": {1}}
    with program_without_a_log() as (_, told):
        console.open(as_json=True, local_time=False)
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logging.getLogger("a.b").critical("%s\n%s", 1, 2, exc_info=True, extra=extra)
        console.close()
    [line] = told.getvalue().splitlines()
    record = json.loads(line)
    assert record["exception"].endswith("ValueError: two\nlines")
    assert record["message"] == "1\n2"
    # A field does not pass for what names the line.
    assert (record["level"], record["target"], record["size"]) == ("ERROR", "a.b", 3)
    assert record["odd"] == "{1}"
    assert "request_id" not in record


def test_a_readable_line_has_level_logger_and_fields() -> None:
    console = Console()
    with program_without_a_log() as (_, told):
        console.open(as_json=False, local_time=False)
        logging.getLogger("a.b").warning("slow", extra={"size": 3})
        console.close()
    time, line = told.getvalue().split(" ", 1)
    assert time.endswith("Z")
    assert line == " WARN a.b: slow size=3\n"


def test_the_filter_keeps_what_a_record_brings() -> None:
    record = logging.makeLogRecord({"request_id": "mine"})
    assert RequestLogFilter().filter(record)
    told = vars(record)
    assert (told["request_id"], told["trace_id"]) == ("mine", None)
