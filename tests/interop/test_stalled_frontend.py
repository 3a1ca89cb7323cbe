"""A frontend that reads nothing any more: its streams must not hold up a shutdown."""

import signal
import time
from pathlib import Path

import pytest

from support.api import wait_for_model
from support.frontend import start_frontend
from support.launcher import Launcher
from support.processes import Process, until

pytestmark = pytest.mark.frontend


def test_section_12_2_a_stream_whose_reader_stalls_is_cut_within_the_deadline(
    launcher: Launcher, model_folder: str
) -> None:
    worker = launcher.command(
        "serve",
        "endless:Endless",
        "--discovery-backend",
        "file",
        "--model-name",
        model_folder,
        "--served-model-name",
        "endless",
        env={"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "6"},
    )
    worker.wait_for_line("^Serving on ")
    api = start_frontend(launcher)
    frontend = Process.started[-1]
    wait_for_model(api, "endless")
    with api.stream_completion("alpha beta gamma delta", max_tokens=1_000_000) as stream:
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


def idles(pid: int) -> bool:
    """Whether the process uses next to no processor time."""
    before = processor_time(pid)
    time.sleep(0.5)
    return processor_time(pid) - before <= 1


def processor_time(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
