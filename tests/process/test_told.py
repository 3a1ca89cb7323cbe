"""What is told of a worker's life where nothing fails the run: values, warnings, the report."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

from support.metrics import sample
from support.processes import all_of
from support.servers import Etcd
from support.system import SERVING, System

if TYPE_CHECKING:
    from support.launcher import Launcher

LOAD_TIME = "dynamo_component_model_load_time_seconds"
DRAIN_TIME = "dynamo_component_drain_time_seconds"


def test_section_9_the_times_in_the_gauges_are_those_that_the_hooks_took(
    launcher: Launcher,
) -> None:
    system = System(launcher.ports.reserve())
    began = time.monotonic()
    process = launcher.command(
        *("serve", "controlled:SlowBothWays", "--discovery-backend", "file"),
        env={"DYN_SYSTEM_PORT": str(system.port)},
    )
    launcher.latches.reached("start")
    entered = time.monotonic()
    time.sleep(0.2)
    held = time.monotonic() - entered
    launcher.latches.release("start-go")
    process.wait_for_line(SERVING)
    assert held <= sample(system.get("/metrics").text, LOAD_TIME) <= time.monotonic() - began

    began = time.monotonic()
    process.send(signal.SIGTERM)
    launcher.latches.reached("drain")
    entered = time.monotonic()
    time.sleep(0.2)
    held = time.monotonic() - entered
    launcher.latches.release("drain-go")
    launcher.latches.reached("cleanup")
    assert held <= sample(system.get("/metrics").text, DRAIN_TIME) <= time.monotonic() - began
    launcher.latches.release("cleanup-go")
    assert process.wait() == 0


def test_section_1_runtime_settings_of_a_second_run_are_ignored_with_one_warning(
    launcher: Launcher, model_folder: str
) -> None:
    program = launcher.script("twice", str(launcher.ports.reserve()), model_folder)
    ignored = "runtime settings of this worker are ignored"
    for number in (1, 2):
        program.wait_for_line(f"run {number} Serving")
        assert program.output.count(ignored) < number
        program.send(signal.SIGTERM)
        program.wait_for_line(f"run {number} returned")
    assert program.wait() == 0
    assert program.output.count(ignored) == 1


def test_section_2_controls_that_cannot_be_listed_end_the_start(launcher: Launcher) -> None:
    process = launcher.command("serve", "controlled:ControlsRaise", "--discovery-backend", "file")
    assert process.wait() == 1
    error = process.stderr.splitlines()[-1]
    assert error.startswith("dynamo-backend: error: supported_controls: ")
    assert "no list of controls" in error
    assert launcher.latches.is_reached("cleanup")
    assert not launcher.latches.is_reached("drain")


def test_section_5_an_instance_that_cannot_be_unregistered_is_in_log_and_report(
    launcher: Launcher, model_folder: str
) -> None:
    etcd = Etcd(launcher)
    etcd.start()
    program = launcher.script(
        *("worker", "lifecycles:Recorded", str(launcher.ports.reserve()), model_folder),
        env={
            "DISCOVERY": "etcd",
            "ETCD_ENDPOINTS": etcd.url,
            "ETCD_LEASE_TTL": "60",
            "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "4",
        },
    )
    program.wait_for_line("^state Serving")
    etcd.suspend()
    assert program.terminate() == 0
    report = json.loads(program.wait_for_line("^report (.*)").group(1))
    [(stage, why)] = report["failures"]
    assert stage == "unregister"
    assert why
    program.wait_for_line(all_of("WARN", "unregister"))
    for hook in ("drain", "cleanup"):
        assert launcher.latches.is_reached(hook), hook
