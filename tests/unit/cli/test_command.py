"""The command as a whole, with a worker that does nothing: messages and exit statuses."""

import io
import os
import platform
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dynamo_backend_common import (
    EndReason,
    InvalidArgument,
    Report,
    Unknown,
    WorkerConfig,
    WorkerState,
)
from dynamo_backend_common._core import OwnProcess
from dynamo_backend_common.cli import command, engines, main, serve


class FakeWorker:
    """Goes through the states and returns."""

    made: "FakeWorker"
    cut = 0
    error: BaseException | None = None
    refusal: Exception | None = None
    served_model_name = "the-model"

    def __init__(
        self,
        engine: Any,
        config: WorkerConfig,
        *,
        http_port: int | None,
        http_host: str,
        on_state: Callable[[WorkerState], None],
        on_progress: Callable[[str, float | None], None],
    ) -> None:
        if self.refusal is not None:
            raise self.refusal
        type(self).made = self
        self.engine, self.config, self.http = engine, config, (http_host, http_port)
        self.on_state, self.on_progress = on_state, on_progress
        self.http_url = None if http_port is None else f"http://{http_host}:{http_port}"

    def _run_to_exit(self, loop_factory: object) -> Report:
        for state in WorkerState:
            self.on_state(state)
            self.on_progress("loading", 0.5)
        if self.error is not None:
            raise self.error
        return Report(reason=EndReason.SHUTDOWN, finished=1, cut=self.cut, failures=(), stages={})


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> type[FakeWorker]:
    fake = type("FakeWorker", (FakeWorker,), {})
    monkeypatch.setattr(serve, "Worker", fake)
    monkeypatch.setattr(serve, "announce_http", lambda *arguments: print("announced", *arguments))
    return fake


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr().err
    assert captured.startswith("dynamo-backend: error: ")
    assert captured.count("\n") == 1
    return captured.removeprefix("dynamo-backend: error: ").rstrip()


def test_serving_ends_well(worker: type[FakeWorker], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "echo", "--component", "c", "--", "--delay", "0"]) == 0
    assert worker.made.config == WorkerConfig(component="c")
    assert worker.made.http == ("127.0.0.1", None)
    assert capsys.readouterr() == ("Serving on dynamo.c.generate\n", "")


def test_with_a_frontend_address_and_model_are_said(
    worker: type[FakeWorker], free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["serve", "echo", "--http-port", str(free_port), "--model-name", "somewhere"]
    assert main(argv) == 0
    assert worker.made.http == ("127.0.0.1", free_port)
    said = capsys.readouterr().out
    assert said.startswith(f"announced http://127.0.0.1:{free_port} the-model chat,completions")


def test_logging_is_left_alone_without_a_terminal(
    worker: type[FakeWorker], free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DYN_LOG", raising=False)
    assert main(["serve", "echo", "--http-port", str(free_port)]) == 0
    assert "DYN_LOG" not in os.environ


def test_a_person_gets_a_calm_log_and_a_check_says_so(
    worker: type[FakeWorker],
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DYN_LOG", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["serve", "echo", "--check", "--http-port", str(free_port)]) == 0
    assert 'log_level = "warn"' in capsys.readouterr().out
    assert os.environ["DYN_LOG"] == "warn"


@pytest.mark.parametrize("argv", [["engines"], ["serve", "echo", "--check"]])
def test_what_the_stream_cannot_show_is_escaped(
    worker: type[FakeWorker], monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(engines, "list_engines", lambda: "\u00e9")
    monkeypatch.setenv("DYN_COMPONENT", "\u00e9")
    assert main(argv) == 0
    stream.seek(0)
    assert "\\xe9" in stream.read()


@pytest.mark.parametrize(
    ("options", "level", "jsonl"),
    [
        (["--log-level", "debug", "--log-format", "json"], "debug", "true"),
        (["--log-format", "TEXT"], "info", "false"),
        ([], "info", "1"),
    ],
)
def test_the_log_is_dynamo_s_own_with_its_variables(
    worker: type[FakeWorker],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    level: str,
    jsonl: str,
) -> None:
    monkeypatch.setenv("DYN_LOG", "info")
    monkeypatch.setenv("DYN_LOGGING_JSONL", "1")
    monkeypatch.setenv("DYN_LOGGING_CONSOLE_FORMAT", "jsonl")
    assert main(["serve", "echo", *options]) == 0
    assert os.environ["DYN_LOG"] == level
    assert os.environ["DYN_LOGGING_JSONL"] == jsonl
    assert ("DYN_LOGGING_CONSOLE_FORMAT" in os.environ) == (not options)


def test_cut_requests_are_told(
    worker: type[FakeWorker], capsys: pytest.CaptureFixture[str]
) -> None:
    worker.cut = 2
    assert main(["serve", "echo"]) == 3
    assert "2 requests were cut" in capsys.readouterr().err


def test_a_run_that_fails(worker: type[FakeWorker], capsys: pytest.CaptureFixture[str]) -> None:
    worker.error = Unknown("start: no memory\nleft")
    assert main(["serve", "echo"]) == 1
    assert error_line(capsys) == "start: no memory left"


def test_a_configuration_that_the_worker_refuses(
    worker: type[FakeWorker], capsys: pytest.CaptureFixture[str]
) -> None:
    worker.refusal = InvalidArgument("endpoint_types: 'x' is unknown; accepted: 'chat'")
    assert main(["serve", "echo", "--endpoint-types", "x"]) == 2
    assert error_line(capsys) == "--endpoint-types: 'x' is unknown; accepted: 'chat'"


@pytest.mark.parametrize(
    ("argv", "is_worker"),
    [
        (["serve", "echo"], True),
        (["serve", "echo", "--check"], False),
        (["engines"], False),
        (["doctor", "--http-port", "80"], False),
    ],
)
def test_signals_are_a_worker_s_own_only_where_there_is_to_be_one(
    worker: type[FakeWorker], monkeypatch: pytest.MonkeyPatch, argv: list[str], is_worker: bool
) -> None:
    taken = []

    def take() -> OwnProcess:
        taken.append(argv)
        return OwnProcess()

    monkeypatch.setattr(command, "OwnProcess", take)
    main(argv)
    assert bool(taken) == is_worker


def test_a_bug_of_ours_is_not_hidden(worker: type[FakeWorker]) -> None:
    worker.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        main(["serve", "echo"])


def test_an_interrupt_is_quiet(
    worker: type[FakeWorker], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "interrupted.py").write_text("raise KeyboardInterrupt")
    assert main(["serve", "interrupted:Engine"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_port_in_use(worker: type[FakeWorker], capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["serve", "nothing:here", "--http-port", str(port)]) == 1
    line = error_line(capsys)
    assert line.startswith(f"cannot listen on 127.0.0.1:{port}: Address already in use")
    assert "--http-port" in line


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["server"], "COMMAND: invalid choice: 'server'"),
        (["serve", "echo", "more"], "unexpected argument 'more'; usage: dynamo-backend serve EN"),
        (["engines", "echo"], "unexpected argument 'echo'; usage: dynamo-backend engines"),
        (["engines", "--", "x"], "unexpected argument '--'; usage: dynamo-backend engines"),
        (["engines", "--loop"], "unknown option '--loop'"),
        (["serve", "--config", "none.toml", "echo"], "--config: cannot read 'none.toml': No such"),
        (["serve", "echo", "--model-nam", "x"], "unknown option '--model-nam'; did you mean --mo"),
        (["serve", "echo", "--delay=2"], "unknown option '--delay'; an engine's own options go"),
        (["serve", "echo", "--http-port", "-1"], "--http-port: '-1' is no port; accepted: 0 (any"),
        (["serve", "echo", "--http-port", "http"], "--http-port: 'http' is no port; accepted: 0"),
        (
            ["serve", "echo", "--http-port", "8000", "--http-host", "no such host"],
            "--http-host: 'no such host' is no address of this machine",
        ),
        (["serve", "ecko"], "unknown engine 'ecko'"),
        (["serve", "echo", "--request-plane", "udp"], "--request-plane: 'udp' is unknown"),
    ],
)
def test_wrong_usage_is_one_line(
    worker: type[FakeWorker], capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    assert main(argv) == 2
    assert error_line(capsys).startswith(message)


def test_wrong_usage_of_the_bundled_engine(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "echo", "--", "--delay", "soon"])
    assert ended.value.code == 2
    assert "'soon' is no number of seconds, 0 or more" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    python = platform.python_version()
    assert re.fullmatch(
        rf"dynamo-backend 0\.\S+ \(Dynamo {re.escape(dynamo())}, Python {re.escape(python)}\)\n",
        capsys.readouterr().out,
    )


def dynamo() -> str:
    """The release that Cargo.toml names."""
    cargo = Path(__file__).parents[3] / "Cargo.toml"
    [release] = re.findall(r'^dynamo-runtime = "=(.+)"$', cargo.read_text(), re.MULTILINE)
    return str(release)
