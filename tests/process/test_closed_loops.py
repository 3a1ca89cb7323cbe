"""A worker whose event loop is closed under it leaves; two runs in two threads share a log."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from support.api import Api, case, failed
from support.launcher import Launcher
from support.metrics import sample
from support.processes import all_of, until
from support.system import System


@pytest.mark.parametrize("how", ["asyncio", "uvloop", "dropped", "closed"])
def test_a_worker_that_nobody_can_answer_for_leaves_discovery_and_ends(
    launcher: Launcher, model_folder: str, how: str
) -> None:
    port = launcher.ports.reserve()
    engine = "lifecycles:Gated"
    # Shorter than the test's patience: past it the process would be ended.
    env = {"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "20"}
    program = launcher.script("closed_loop", how, engine, str(port), model_folder, env=env)
    program.wait_for_line("^state Serving")
    instances = launcher.folder / "discovery" / "v1" / "instances"
    assert list(instances.iterdir())
    with Api(port).stream_completion("alpha beta gamma") as stream:
        assert stream.first_text()
        launcher.latches.release("close")
        # Not at the end of a wait for it.
        assert failed(list(stream.events()))
    program.wait_for_line(all_of("Gated", "the event loop was closed"))
    program.wait_for_line("^stopped")
    launcher.latches.release("leave")
    until(lambda: not list(instances.iterdir()), "the instance is out of discovery")
    assert program.wait() == 0
    assert program.output.count("the event loop was closed, or") == 1


def test_a_loop_that_is_closed_while_the_engine_starts(
    launcher: Launcher, model_folder: str
) -> None:
    port = str(launcher.ports.reserve())
    engine = "lifecycles:StartWaits"
    program = launcher.script("closed_loop", "asyncio", engine, port, model_folder)
    launcher.latches.reached("start")
    launcher.latches.release("close")
    program.wait_for_line("^stopped")
    launcher.latches.release("leave")
    assert program.wait() == 0
    assert "state Serving" not in program.stdout


def test_requests_that_wait_for_a_thread_when_the_loop_is_closed(
    launcher: Launcher, model_folder: str
) -> None:
    port = launcher.ports.reserve()
    engine = "crowded:Waiting"
    program = launcher.script("closed_loop", "one thread", engine, str(port), model_folder)
    program.wait_for_line("^state Serving")
    api, metrics = Api(port), System(port)
    in_flight = "dynamo_component_worker_requests_in_flight"
    with ThreadPoolExecutor(3) as pool:
        requests = [pool.submit(api.complete, "alpha", **case("blocking"))]
        launcher.latches.reached("go-blocks")
        requests += [pool.submit(api.complete, "beta") for _ in range(2)]
        until(
            lambda: sample(metrics.get("/metrics").text, in_flight) == 3, "all three are in flight"
        )
        launcher.latches.release("close")
        for request in requests:
            assert request.result().status >= 500
    launcher.latches.release("go")
    program.wait_for_line("^stopped")
    launcher.latches.release("leave")
    assert program.wait() == 0
    assert "Traceback" not in program.output


def test_the_log_of_two_runs_lasts_to_the_end_of_the_second(launcher: Launcher) -> None:
    program = launcher.script("two_threads")
    assert program.wait() == 0
    for name in ("first", "second"):
        assert f"engine: before the end of the {name}" in program.stderr
    # Python's own, as before.
    assert "handlers [] 30" in program.stdout
