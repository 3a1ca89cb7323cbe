"""A client that reads slowly has its answer whole, also where the engine is done long before."""

import signal
import time

from support.launcher import Launcher
from support.slow_client import SlowClient, longest_token

NEVER_READ = {"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "6"}


def test_section_12_2_an_answer_is_finished_when_its_client_has_it(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("plenty:Plenty", "--model-name", model_folder)
    with SlowClient(server.api, [longest_token(model_folder)], max_tokens=1_000_000) as client:
        assert "200 OK" in client.read()
        launcher.latches.release("go")
        launcher.latches.reached("done")
        server.process.send(signal.SIGTERM)
        server.process.wait_for_line("waiting for 1 requests in flight")
        # Longer than what the end of the runtime waits for.
        time.sleep(3)
        assert not launcher.latches.is_reached("cleanup")
        assert client.is_whole()
    assert server.process.wait() == 0
    server.process.wait_for_line("drained: .* none was cut")


def test_section_12_2_an_answer_that_its_client_does_not_take_is_counted_as_cut(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("plenty:Plenty", "--model-name", model_folder, env=NEVER_READ)
    with SlowClient(server.api, [longest_token(model_folder)], max_tokens=1_000_000) as client:
        assert "200 OK" in client.read()
        launcher.latches.release("go")
        launcher.latches.reached("done")
        assert server.process.terminate() == 3
    assert "1 request was cut" in server.process.stderr
    assert "none was cut" not in server.process.output
    assert launcher.latches.is_reached("cleanup")
