"""What is to be done between two steps, in their thread: nobody else may touch the model."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scheduler import Scheduler


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Something to be done once.

    Attributes:
        work: Does it.
        when: Whether it can be done now; asked in front of each step until it is true.
        done: How it ended.
    """

    work: Callable[[Scheduler], None]
    when: Callable[[Scheduler], bool] = lambda _: True
    done: Future[None] = field(default_factory=Future)

    def do(self, scheduler: Scheduler) -> None:
        """Does it; what fails is its own failure only."""
        if not self.done.set_running_or_notify_cancel():
            return
        try:
            self.work(scheduler)
        except Exception as error:
            self.done.set_exception(error)
        else:
            self.done.set_result(None)

    def give_up(self, error: BaseException) -> None:
        """Fails it with ``error``, in the place of doing it."""
        if self.done.set_running_or_notify_cancel():
            self.done.set_exception(error)


def do_ready(works: list[Work], scheduler: Scheduler) -> list[Work]:
    """Does what can be done now; returns the rest."""
    left = []
    for each in works:
        if each.when(scheduler):
            each.do(scheduler)
        else:
            left.append(each)
    return left
