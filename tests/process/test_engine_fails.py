"""An engine that can serve no more says so by ``watch``, and its worker ends."""

import re
import signal
from contextlib import ExitStack

import pytest

from support.api import failed
from support.launcher import Launcher
from support.streams import begin

MEM = {"DYN_DISCOVERY_BACKEND": "mem"}
# Whoever waited for a grace or for requests would outlast the test.
PATIENT = {
    "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": "300",
    "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "300",
}


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("Fails", "engine: RuntimeError: the device is lost"),
        ("FailsTyped", "engine: the device is lost"),
        ("Exits", "engine: watch raised SystemExit: 7"),
    ],
)
def test_an_engine_that_fails_ends_its_requests_and_its_worker(
    launcher: Launcher, model_folder: str, engine: str, message: str
) -> None:
    server = launcher.serve(f"failing:{engine}", "--model-name", model_folder, env=PATIENT)
    with ExitStack() as stack:
        stream, _ = begin(stack, server.api)
        launcher.latches.release("fail")
        assert failed(list(stream.events()))
    assert server.process.wait() == 1
    errors = server.process.stderr
    assert errors.splitlines()[-1] == f"dynamo-backend: error: {message}"
    assert "1 were cut" in errors
    assert launcher.latches.is_reached("cleanup")
    assert not launcher.latches.is_reached("drain")


def test_section_11_run_raises_from_what_the_watch_raised(
    launcher: Launcher, model_folder: str
) -> None:
    port = launcher.ports.reserve()
    program = launcher.script("worker", "failing:Fails", str(port), model_folder, env=PATIENT)
    program.wait_for_line("state Serving")
    launcher.latches.release("fail")
    assert program.wait() == 0
    assert "raised Unknown Unknown engine: RuntimeError: the device is lost" in program.stdout
    assert "cause RuntimeError('the device is lost')" in program.stdout


@pytest.mark.parametrize("engine", ["FailsAtOnce", "FailsAsItIsPublished"])
def test_an_engine_that_fails_before_it_serves_ends_the_start(
    launcher: Launcher, engine: str
) -> None:
    process = launcher.command("serve", f"failing:{engine}", env=MEM)
    assert process.wait() == 1
    last = process.stderr.splitlines()[-1]
    assert last == "dynamo-backend: error: engine: RuntimeError: the device is lost"
    # The other one may have been quick enough.
    if engine == "FailsAsItIsPublished":
        assert "Serving" not in process.stdout
    assert launcher.latches.is_reached("cleanup")
    assert not launcher.latches.is_reached("drain")


def test_an_engine_that_fails_after_a_signal_is_not_waited_for(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("failing:Fails", "--model-name", model_folder, env=PATIENT)
    with ExitStack() as stack:
        stream, _ = begin(stack, server.api)
        server.process.send(signal.SIGTERM)
        server.process.wait_for_line("Shutdown stage begins.*grace")
        launcher.latches.release("fail")
        assert failed(list(stream.events()))
    # It was asked to stop, and a request was cut.
    assert server.process.wait() == 3
    assert re.search(
        "stage=.*engine: .*the device is lost|engine: .*the device is lost.*stage=",
        server.process.stderr,
    )
    assert not launcher.latches.is_reached("drain")


@pytest.mark.parametrize("engine", ["Plainly", "Heedless", "Told", "Upset"])
def test_a_watch_does_not_hold_up_the_shutdown(launcher: Launcher, engine: str) -> None:
    process = launcher.command("serve", f"failing:{engine}", env=MEM)
    process.wait_for_line("^Serving on")
    if engine != "Told":
        launcher.latches.reached("watched")
    assert process.terminate() == 0
    assert launcher.latches.is_reached("drain")
    assert launcher.latches.is_reached("watch-cancelled") == (engine == "Told")
    assert ("watch did not end when cancelled" in process.stderr) == (engine == "Heedless")
    assert ("RuntimeError: the device was not closed" in process.stderr) == (engine == "Upset")


def test_steps_that_fail_end_every_stream_and_refuse_new_ones(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("failing:FailsItsSteps", "--model-name", model_folder)
    with server.api.stream_completion("alpha beta") as stream:
        assert failed(list(stream.events()))
    assert launcher.latches.reached("told") == "True"
    assert server.api.complete("alpha beta").status >= 500
    assert server.process.terminate() == 0
    errors = server.process.stderr
    assert "RuntimeError: no third step" in errors
    assert errors.count("in third_step") == 1


@pytest.mark.parametrize(
    ("engine", "warned"), [("plain:Plain", True), ("lifecycles:Recorded", False), ("echo", False)]
)
def test_section_5_a_prefill_engine_that_cannot_tell_keeps_its_cache_for_the_whole_time(
    launcher: Launcher, engine: str, *, warned: bool
) -> None:
    env = MEM | {
        "DYN_DISAGGREGATION_MODE": "prefill",
        "DYN_PREFILL_DRAIN_TIMEOUT_S": "1.5",
        "DYN_LOG": "info,dynamo_backend_worker=debug",
    }
    process = launcher.command("serve", engine, env=env)
    process.wait_for_line("^Serving on")
    assert process.terminate() == 0
    assert ("neither is_quiescent nor drain" in process.stderr) == warned
    drain = process.wait_for_line(r"Shutdown stage ended.*stage.*drain.*secs=([0-9.e-]+)")
    assert (float(drain.group(1)) >= 1.5) == (engine != "echo")
