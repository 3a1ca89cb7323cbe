"""Workers that announce what is in their caches, behind Dynamo's own frontend that routes by it."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from .api import wait_for_routes
from .frontend import start_frontend
from .processes import until
from .system import System, serve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .launcher import Launcher
    from .processes import Process

Place = tuple[int, int]
"""A worker by its number, and one of its ranks."""
REQUESTS = 100
RANKS = 2
PREFIX = 32 * 16
"""Tokens that the requests of one prefix share: 32 blocks."""


class Fleet:
    """Two workers, of ranks 0 and 1, 2 and 3, and a frontend that routes by their KV events."""

    def __init__(
        self,
        launcher: Launcher,
        model_folder: str,
        engine: str,
        *options: str,
        env: Mapping[str, str],
    ) -> None:
        self.workers: list[tuple[Process, System]] = [
            serve(
                launcher,
                engine,
                *["--model-name", model_folder, "--served-model-name", "caching", *options],
                *["--", str(RANKS), str(RANKS * worker)],
                env=env,
            )
            for worker in range(2)
        ]
        self._random = random.Random(0)
        self._start_frontend = partial(
            start_frontend, launcher, "--router-mode", "kv", *options, env=env
        )
        self.replace_frontend()

    def replace_frontend(self) -> None:
        """Sends what is asked from here on to a frontend that has just started."""
        self.api = self._start_frontend()
        wait_for_routes(self.api, "caching", self._tokens(PREFIX))
        self._served()

    @property
    def places(self) -> list[Place]:
        return [(rank // RANKS, rank) for rank in range(RANKS * len(self.workers))]

    def prefix(self) -> list[int]:
        """A prompt's beginning that no other has."""
        return self._tokens(PREFIX)

    def tell(self, place: Place, event: str, prefix: list[int], **more: Any) -> None:
        """Has a rank publish ``stored``, with ``more`` of it, ``removed`` or ``cleared``."""
        worker, rank = place
        _, system = self.workers[worker]
        answer = system.control(event, {"dp_rank": rank, "token_ids": prefix, "more": more})
        assert answer.json == {"status": "ok"}, answer.text

    def ask(self, prefix: list[int], requests: int = REQUESTS, **options: Any) -> dict[Place, int]:
        """Sends requests that begin with ``prefix``; returns how many came to which rank.

        ``options`` are those of a completion, or ``ask``, what sends a prompt in the place of one.
        """
        prompts = [prefix + self._tokens(32) for _ in range(requests)]
        ask = options.pop("ask", None) or partial(
            self.api.complete, **{"model": "caching"} | options
        )
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(ask, prompts))
        assert {answer.status for answer in answers} == {200}, answers[0].text
        served = dict.fromkeys(self.places, 0) | self._served()
        assert list(served) == self.places
        assert sum(served.values()) == requests
        return served

    def _served(self) -> dict[Place, int]:
        """Which rank got how many requests since this was asked last."""
        return {
            (worker, rank): number
            for worker, (_, system) in enumerate(self.workers)
            for rank, number in system.control("requests").json["requests"]
        }

    def until_it_leads_to(self, place: Place, prefix: list[int], **options: Any) -> None:
        """Waits until the router knows of what ``place`` published."""
        until(
            lambda: self.ask(prefix, 8, **options)[place] == 8,
            f"requests of the prefix go to {place}",
        )

    def until_it_leads_nowhere(self, prefix: list[int]) -> None:
        """Waits until the router does not know any more that somebody had the prefix."""
        until(
            lambda: max(self.ask(prefix, 16).values()) < 16,
            "requests of the prefix spread",
        )

    def _tokens(self, number: int) -> list[int]:
        return self._random.choices(range(1000, 40_000), k=number)
