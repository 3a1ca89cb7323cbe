"""Many requests while the event loop, or every thread, is busy."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.request import urlopen

import pytest

from support.api import case, text_of
from support.launcher import Launcher, Server
from support.metrics import samples
from support.processes import until

PROMPT = "alpha beta gamma"
BURST = 200


class Crowd:
    """A worker, and how many requests it has."""

    def __init__(self, launcher: Launcher, engine: str, *options: str, **env: str) -> None:
        self._system = launcher.ports.reserve()
        env |= {"DYN_SYSTEM_PORT": str(self._system)}
        self.server: Server = launcher.serve(f"crowded:{engine}", *options, env=env)

    def waits_for(self, requests: int) -> None:
        """Until so many are in flight."""

        def are_there() -> bool:
            with urlopen(f"http://127.0.0.1:{self._system}/metrics") as answer:
                shown = answer.read().decode()
            name = "dynamo_component_worker_requests_in_flight"
            return [value for _, value in samples(shown, name)] == [requests]

        until(are_there, f"{requests} requests are in flight")


@pytest.mark.parametrize("engine", ["Crowded", "Waiting"])
def test_a_client_that_left_before_its_turn_costs_no_generate_and_no_abort(
    launcher: Launcher, model_folder: str, engine: str
) -> None:
    one_thread = "import dynamo_backend_common._serving.threads as threads\nthreads.LIMIT = 1\n"
    (launcher.folder / "sitecustomize.py").write_text(one_thread)
    crowd = Crowd(launcher, engine, "--model-name", model_folder, PYTHONPATH=str(launcher.folder))
    api = crowd.server.api
    with ThreadPoolExecutor(1) as pool:
        blocking = pool.submit(api.complete, PROMPT, **case("blocking"))
        launcher.latches.reached("go-blocks")
        with api.stream_completion(PROMPT, **case("left")) as stream:
            crowd.waits_for(2)
            stream.leave()
        # The worker's own line: by then its context is stopped.
        crowd.server.process.wait_for_line("handle_payload.*request cancellation received")
        launcher.latches.release("go")
        assert text_of(blocking.result().json).strip() == PROMPT
    assert api.complete(PROMPT, **case("next")).status == 200
    launcher.latches.reached("next-began")
    assert crowd.server.process.terminate() == 0
    assert not launcher.latches.is_reached("left-began")
    assert not launcher.latches.is_reached("aborted")


def test_a_burst_of_requests_leaves_turns_to_what_runs(
    launcher: Launcher, model_folder: str
) -> None:
    crowd = Crowd(launcher, "Crowded", "--model-name", model_folder)
    with ThreadPoolExecutor(BURST) as pool, ExitStack() as stack:
        stack.callback(launcher.latches.release, "go")
        first = pool.submit(crowd.server.api.complete, PROMPT, **case("blocking"))
        launcher.latches.reached("go-blocks")
        burst = [pool.submit(crowd.server.api.complete, PROMPT) for _ in range(BURST - 1)]
        crowd.waits_for(BURST)
        launcher.latches.release("go")
        assert {each.result().status for each in [first, *burst]} == {200}
    assert crowd.server.process.terminate() == 0
    # Each takes tens of microseconds, a turn a millisecond.
    assert int(launcher.latches.reached("turns")) > 2


def test_a_generator_that_never_waits_leaves_others_a_turn_every_64_chunks(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("crowded:Crowded", "--model-name", model_folder)
    assert server.api.complete(PROMPT, max_tokens=10_000, **case("runs-on")).status == 200
    assert server.process.terminate() == 0
    assert int(launcher.latches.reached("turns")) >= 100
