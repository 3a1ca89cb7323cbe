"""`run()`, `serve()` and `shutdown()` of a worker in a program of one's own."""

import asyncio
import json
import re
import signal
import sys

import pytest

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig
from dynamo_backend_common.engines.echo import Echo
from support.api import Api, text_of
from support.launcher import ENGINES, Launcher

PROMPT = "alpha beta gamma"


def answered(port: int) -> str:
    return text_of(Api(port).complete(PROMPT).json).strip()


def test_section_12_12_run_serves_and_reports(launcher: Launcher, model_folder: str) -> None:
    port = launcher.ports.reserve()
    program = launcher.script("worker", "lifecycles:Recorded", str(port), model_folder)
    program.wait_for_line("state Serving")
    assert answered(port) == PROMPT
    assert program.terminate() == 0
    states = re.findall(r"^state (\w+)$", program.stdout, re.MULTILINE)
    assert states == ["Connecting", "Starting", "Registering", "Serving", "Draining", "Stopped"]
    report = json.loads(program.wait_for_line("^report (.*)").group(1))
    assert report["reason"] == "signal"
    assert (report["cut"], report["failures"]) == (0, [])
    assert "cleanup" in {stage.lower() for stage in report["stages"]}
    assert launcher.latches.is_reached("drain")
    assert launcher.latches.is_reached("cleanup")


def test_section_12_11_serve_leaves_the_callers_loop_and_its_ctrl_c_as_they_were(
    launcher: Launcher, model_folder: str
) -> None:
    port = launcher.ports.reserve()
    program = launcher.script("in_a_loop", str(port), model_folder)
    program.wait_for_line("state Serving")
    assert answered(port) == PROMPT
    program.send(signal.SIGINT)
    program.wait_for_line("loop works")
    program.send(signal.SIGINT)
    program.wait_for_line("main task cancelled")
    assert program.wait() == 0
    told = [line for line in program.stdout.splitlines() if not line.startswith("state ")]
    assert told == [
        "ticked True",
        "handler True",
        "thread works",
        "loop works",
        "main task cancelled",
        "KeyboardInterrupt",
    ]


def test_section_12_11_two_runs_one_after_the_other_in_one_process(
    launcher: Launcher, model_folder: str
) -> None:
    port = launcher.ports.reserve()
    program = launcher.script("twice", str(port), model_folder)
    for number in (1, 2):
        program.wait_for_line(f"run {number} Serving")
        assert answered(port) == PROMPT
        program.send(signal.SIGTERM)
        program.wait_for_line(f"run {number} returned")
    assert program.wait() == 0
    assert "python threads ['MainThread']" in program.stdout


def test_section_12_14_shutdown_before_the_run_starts_nothing(
    launcher: Launcher, model_folder: str
) -> None:
    program = launcher.script("shut_down", "before", str(launcher.ports.reserve()), model_folder)
    assert program.wait() == 0
    assert "state Starting" not in program.stdout
    assert not launcher.latches.is_reached("start")
    assert not launcher.latches.is_reached("cleanup")


def test_shutdown_while_serving_from_any_thread_and_more_than_once(
    launcher: Launcher, model_folder: str
) -> None:
    program = launcher.script("shut_down", "serving", str(launcher.ports.reserve()), model_folder)
    assert program.wait() == 0
    assert "reason shutdown" in program.stdout
    assert launcher.latches.is_reached("drain")
    assert launcher.latches.is_reached("cleanup")


def test_section_12_14_shutdown_while_starting_lets_the_start_finish_and_serves_nothing(
    launcher: Launcher, model_folder: str
) -> None:
    program = launcher.script("shut_down", "starting", str(launcher.ports.reserve()), model_folder)
    assert program.wait() == 0
    states = re.findall(r"^state (\w+)$", program.stdout, re.MULTILINE)
    assert states == ["Connecting", "Starting", "Draining", "Stopped"]
    for hook in ("start-ends", "drain", "cleanup"):
        assert launcher.latches.is_reached(hook), hook


def test_section_12_5_run_raises_what_start_raised_with_its_cause(
    launcher: Launcher, model_folder: str
) -> None:
    port = launcher.ports.reserve()
    program = launcher.script("worker", "lifecycles:StartRaises", str(port), model_folder)
    assert program.wait() == 0
    raised = program.wait_for_line("^raised (.*)").group(1)
    assert raised.startswith("Unknown Unknown start: ")
    assert "no weights on this disk" in raised
    assert "cause RuntimeError('no weights on this disk')" in program.stdout
    assert launcher.latches.is_reached("cleanup")
    assert not launcher.latches.is_reached("drain")


def test_a_child_forked_after_a_run_is_told_that_it_cannot_serve(launcher: Launcher) -> None:
    program = launcher.script("forked")
    assert program.wait() == 0
    assert "parent shutdown" in program.stdout
    assert "'spawn'" in program.wait_for_line("^refused (.*)").group(1)


def test_the_state_of_a_worker_that_never_ran() -> None:
    config = WorkerConfig(runtime=RuntimeConfig(discovery_backend="mem"))
    assert Worker(Echo(), config).state == "Init"


@pytest.mark.parametrize("method", ["serve", "run"])
def test_a_worker_is_used_once(launcher: Launcher, method: str) -> None:
    code = (
        "import asyncio\n"
        "from dynamo_backend_common import DynamoError, RuntimeConfig, Worker, WorkerConfig\n"
        "from plain import Plain\n"
        "config = WorkerConfig(runtime=RuntimeConfig(discovery_backend='mem'))\n"
        "worker = Worker(Plain(), config)\n"
        "worker.shutdown()\n"
        "worker.run()\n"
        f"again = lambda: asyncio.run(worker.serve()) if {method == 'serve'} else worker.run()\n"
        "try:\n"
        "    again()\n"
        "except Exception as error:\n"
        "    print('refused', type(error).__name__, error)\n"
    )
    (launcher.folder / "once.py").write_text(code)
    program = launcher.start(
        sys.executable, str(launcher.folder / "once.py"), env={"PYTHONPATH": str(ENGINES)}
    )
    assert program.wait() == 0
    assert "once" in program.wait_for_line("^refused (.*)").group(1)


def test_run_inside_a_loop_says_what_to_do_there() -> None:
    async def inside() -> None:
        Worker(Echo(), WorkerConfig(runtime=RuntimeConfig(discovery_backend="mem"))).run()

    with pytest.raises(RuntimeError, match=r"await serve\(\) there"):
        asyncio.run(inside())
