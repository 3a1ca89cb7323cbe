"""A worker that is asked to end cuts nobody. Named so as to be the last: it ends the shared one."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from support.api import finish_reasons, read_text, wait_for_routes
from support.frontend import start_frontend
from support.vllm_worker import NAME, PROMPTS, Served, VllmWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.launcher import Launcher

STREAMS, OUTPUT = 64, 180


def all_are_whole(served: Served, ends: Callable[[], None]) -> None:
    usage = {"stream_options": {"include_usage": True}}
    # In the log of the shared one vLLM has tracebacks of its own, of controls that it refused.
    before = len(served.worker.process.output)
    asked = {"max_tokens": OUTPUT, "ignore_eos": True, "model": NAME, **usage}
    with ExitStack() as stack, ThreadPoolExecutor(STREAMS) as pool:
        streams = [
            stack.enter_context(served.api.stream_completion([5 + number, 6], **asked))
            for number in range(STREAMS)
        ]
        firsts = [stream.first_text() for stream in streams]
        ends()
        rests = list(pool.map(read_text, streams))
    assert all(firsts)
    for _, chunks in rests:
        assert chunks[-1]["usage"]["completion_tokens"] == OUTPUT
        assert finish_reasons(chunks) == ["length"]
    worker = served.worker
    assert worker.process.wait() == 0
    assert "none was cut" in worker.process.output
    assert "Traceback" not in worker.process.output[before:]
    worker.leaves_nothing()


def test_sigterm(served: Served) -> None:
    all_are_whole(served, lambda: served.worker.process.send(signal.SIGTERM))


def test_ctrl_c_of_a_terminal(launcher: Launcher) -> None:
    worker = VllmWorker(launcher)
    worker.wait()
    api = start_frontend(launcher)
    wait_for_routes(api, NAME, PROMPTS[0])
    # A terminal sends it to all that belongs to the command.
    all_are_whole(
        Served(launcher, worker, api), lambda: os.killpg(worker.process.pid, signal.SIGINT)
    )
