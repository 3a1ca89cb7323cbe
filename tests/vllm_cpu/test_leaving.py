"""Clients that leave: nothing of their requests stays, in the worker or in vLLM."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from support.processes import until
from support.vllm_worker import NAME, becomes_idle

if TYPE_CHECKING:
    from support.vllm_worker import Served

REQUESTS = 2000
CLIENTS = 32


def test_requests_that_leave_at_random_moments_leave_nothing(served: Served) -> None:
    def census() -> dict[str, Any]:
        counted: dict[str, Any] = served.worker.system.control("census").json
        return counted

    def leave(number: int) -> None:
        moment = random.Random(number)
        prompt = moment.choices(range(4, 490), k=moment.choice((4, 40, 100)))
        body = served.api.body_of_completion(prompt, model=NAME, max_tokens=140)
        body |= {"stream": True, "ignore_eos": True, "logprobs": moment.choice((None, 2))}
        connection = served.api.hang_up("completions", body)
        # From before it is admitted to after its end.
        time.sleep(moment.choice((0, moment.uniform(0, 0.05), moment.uniform(0, 2))))
        connection.close()

    def is_no_more(now: dict[str, Any], than: dict[str, Any]) -> bool:
        # What was refused before may have been kept until then, with its traceback.
        known = all(number <= than["kept"].get(kind, 0) for kind, number in now["kept"].items())
        return known and now["tasks"] <= than["tasks"]

    becomes_idle(served.worker)
    before = census()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(leave, range(REQUESTS)))
    becomes_idle(served.worker)
    until(lambda: served.worker.system.status()["in_flight"] == 0, "no request is in flight")
    until(lambda: is_no_more(census(), before), f"nothing is kept but {before}", patience=20)
    answer = served.api.complete([5, 6, 7], max_tokens=4, ignore_eos=True)
    assert answer.json["usage"]["completion_tokens"] == 4, answer.text
