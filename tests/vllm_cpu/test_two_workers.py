"""Two workers behind one frontend: each is asked for what it has, and either may go."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from support.api import Api, finish_reasons, read_text, wait_for_routes
from support.frontend import start_frontend
from support.processes import until
from support.system import instances
from support.traffic import Traffic
from support.vllm_worker import BLOCK, NAME, PROMPTS, VllmWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.launcher import Launcher

RESTARTS = int(os.environ.get("ROLLING_RESTARTS") or 10)
CLIENTS = 16


class Fleet:
    """Workers, and a frontend that routes by KV events and migrates."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self.workers = [VllmWorker(launcher) for _ in range(2)]
        for worker in self.workers:
            worker.wait()
        self.api: Api = start_frontend(launcher, "--router-mode", "kv", "--migration-limit", "3")
        wait_for_routes(self.api, NAME, PROMPTS[0])

    def begin_another(self) -> None:
        """Starts a worker, and waits until it serves."""
        self.workers.append(VllmWorker(self._launcher))
        self.workers[-1].wait()


@pytest.fixture(scope="module")
def fleet(shared: Launcher) -> Fleet:
    return Fleet(shared)


def asked(api: Api, prompt: list[int], **nvext: object) -> tuple[int, int]:
    """Who answered, and how many of the prompt's tokens it had."""
    options = {"nvext": {"extra_fields": ["worker_id"], **nvext}}
    answer = api.complete(prompt, max_tokens=1, temperature=0, **options)
    assert answer.status == 200, answer.text
    cached: int = answer.json["usage"]["prompt_tokens_details"]["cached_tokens"]
    return answer.json["nvext"]["worker_id"]["decode_worker_id"], cached


def test_requests_go_to_who_has_their_prefix(fleet: Fleet, shared: Launcher) -> None:
    ids = [json.loads(path.read_text())["instance_id"] for path in instances(shared)]
    homes = {prefix: ids[prefix % 2] for prefix in range(6)}
    prompts = {
        prefix: [50 + 60 * prefix + number for number in range(2 * BLOCK)] for prefix in homes
    }
    for prefix, home in homes.items():
        first = asked(fleet.api, [*prompts[prefix], 5], backend_instance_id=home)
        assert first == (home, 0)

    def all_go_home(prefix: int) -> bool:
        answers = [asked(fleet.api, [*prompts[prefix], 6 + number]) for number in range(4)]
        return answers == [(homes[prefix], 2 * BLOCK)] * 4

    for prefix in homes:
        until(partial(all_go_home, prefix), f"requests of prefix {prefix} go to its home")


def test_streams_of_a_core_that_is_killed_go_on_at_the_other(fleet: Fleet) -> None:
    options = {"max_tokens": 200, "temperature": 0, "ignore_eos": True, "model": NAME}
    whole = fleet.api.complete(PROMPTS[0], **options).json["choices"][0]["text"]
    doomed = fleet.workers.pop(0)
    streams = [fleet.api.stream_completion(PROMPTS[0], **options) for _ in range(8)]
    opened = [stream.__enter__() for stream in streams]
    try:
        firsts = [stream.first_text() for stream in opened]
        doomed.core.kill()
        rests = [read_text(stream) for stream in opened]
    finally:
        for stream in streams:
            stream.__exit__(None, None, None)
    for first, (text, chunks) in zip(firsts, rests, strict=True):
        assert first + text == whole
        assert finish_reasons(chunks) == ["length"]
    assert doomed.process.wait() == 1
    doomed.leaves_nothing()


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_rolling_restarts_lose_no_request_and_cut_no_stream(
    fleet: Fleet, record_property: Callable[[str, object], None]
) -> None:
    while len(fleet.workers) < 2:
        fleet.begin_another()
    prompt = " ".join(f"w{token}" for token in PROMPTS[3])
    options = {"max_tokens": 100, "temperature": 0, "ignore_eos": True}
    said = fleet.api.complete(prompt, **options).json["choices"][0]["text"].strip()
    statuses, served = [], []
    with Traffic(fleet.api, NAME, prompt, CLIENTS, said=said, ends="length", **options) as traffic:
        for number in range(RESTARTS):
            before = traffic.served
            # In turns: with one worker more than needed for a while, or with one less.
            if number % 2 == 0:
                fleet.begin_another()
            replaced = fleet.workers.pop(0)
            statuses.append(replaced.process.terminate())
            replaced.leaves_nothing()
            if number % 2 == 1:
                fleet.begin_another()
            served.append(traffic.served - before)
    record_property("served", traffic.served)
    assert dict(traffic.wrong) == {}
    assert statuses == [0] * RESTARTS
    assert min(served) > 0
