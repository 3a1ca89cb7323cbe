"""A frontend that reads nothing any more: its streams must not hold up a shutdown."""

import signal
import time
from pathlib import Path

import pytest

from support.api import Api, read_text, wait_for_model
from support.frontend import start_frontend
from support.launcher import Launcher
from support.processes import Process, until

pytestmark = pytest.mark.frontend

PROMPT = "alpha beta gamma delta"


def behind_a_frontend(
    launcher: Launcher, model_folder: str, engine: str, *argv: str, timeout: int
) -> tuple[Process, Process, Api]:
    """A worker, and the frontend that it is behind."""
    worker = launcher.command(
        "serve",
        engine,
        "--discovery-backend",
        "file",
        "--model-name",
        model_folder,
        "--served-model-name",
        "stalled",
        "--",
        *argv,
        env={"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": str(timeout)},
    )
    worker.wait_for_line("^Serving on ")
    api = start_frontend(launcher)
    frontend = Process.started[-1]
    wait_for_model(api, "stalled")
    return worker, frontend, api


def test_section_12_2_a_stream_whose_reader_stalls_is_cut_within_the_deadline(
    launcher: Launcher, model_folder: str
) -> None:
    worker, frontend, api = behind_a_frontend(launcher, model_folder, "endless:Endless", timeout=6)
    with api.stream_completion(PROMPT, max_tokens=1_000_000) as stream:
        stream.first_text()
        frontend.send(signal.SIGSTOP)
        try:
            until(lambda: idles(worker.pid), "the stream's buffers are full")
            worker.send(signal.SIGTERM)
            assert worker.wait() == 3
        finally:
            frontend.send(signal.SIGCONT)
    assert "1 request was cut" in worker.stderr
    assert "took longer" not in worker.stderr
    assert launcher.latches.is_reached("cleanup")


def test_section_12_2_what_the_runtime_has_still_to_write_is_in_flight(
    launcher: Launcher, model_folder: str
) -> None:
    worker, frontend, api = behind_a_frontend(
        launcher, model_folder, "plenty:Plenty", "wide", timeout=60
    )
    with api.stream_completion(PROMPT, max_tokens=1_000_000) as stream:
        stream.first_text()
        frontend.send(signal.SIGSTOP)
        try:
            launcher.latches.release("go")
            launcher.latches.reached("done")
            until(lambda: idles(worker.pid), "the worker has handed over what it could")
            worker.send(signal.SIGTERM)
            worker.wait_for_line("waiting for 1 requests in flight")
            until(lambda: idles(worker.pid), "the worker does nothing but wait")
            assert not launcher.latches.is_reached("cleanup")
        finally:
            frontend.send(signal.SIGCONT)
        read_text(stream)
    assert worker.wait() == 0
    assert "drained: 1 requests finished, none was cut" in worker.output


def test_section_12_2_what_the_runtime_cannot_write_is_counted_as_cut(
    launcher: Launcher, model_folder: str
) -> None:
    worker, frontend, api = behind_a_frontend(
        launcher, model_folder, "plenty:Plenty", "wide", timeout=6
    )
    with api.stream_completion(PROMPT, max_tokens=1_000_000) as stream:
        stream.first_text()
        frontend.send(signal.SIGSTOP)
        try:
            launcher.latches.release("go")
            launcher.latches.reached("done")
            assert worker.terminate() == 3
        finally:
            frontend.send(signal.SIGCONT)
    assert "1 request was cut" in worker.stderr
    assert launcher.latches.is_reached("cleanup")


def idles(pid: int) -> bool:
    """Whether the process uses next to no processor time."""
    before = processor_time(pid)
    time.sleep(0.5)
    return processor_time(pid) - before <= 1


def processor_time(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
