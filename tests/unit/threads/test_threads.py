"""The threads of a synchronous engine: their places, also where none can be started."""

import threading
from collections.abc import Callable

import pytest

from dynamo_backend_common import Unknown
from dynamo_backend_common._serving import threads as request_threads
from dynamo_backend_common._serving.threads import RequestThreads

PATIENCE = 60.0


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> RequestThreads:
    monkeypatch.setattr(request_threads, "LIMIT", 2)
    return RequestThreads()


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Has no thread started any more, until it is called again."""
    start = threading.Thread.start
    refused = False

    def toggle() -> None:
        nonlocal refused
        refused = not refused

    def may_start(thread: threading.Thread) -> None:
        if refused:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", may_start)
    return toggle


def runs(threads: RequestThreads) -> None:
    done = threading.Event()
    threads.run(done.set)
    assert done.wait(PATIENCE)


def test_one_that_cannot_be_started_gives_its_place_back(
    threads: RequestThreads, refuse: Callable[[], None]
) -> None:
    refuse()
    for _ in range(5):
        with pytest.raises(Unknown, match=r"can't start new thread.*ulimit -u"):
            threads.run(lambda: pytest.fail("nobody is to run it later"))
    refuse()
    runs(threads)
    threads.close()


def test_a_job_waits_for_the_thread_that_there_is(
    threads: RequestThreads, refuse: Callable[[], None]
) -> None:
    go, first, second = threading.Event(), threading.Event(), threading.Event()

    def occupies() -> None:
        first.set()
        go.wait(PATIENCE)

    threads.run(occupies)
    assert first.wait(PATIENCE)
    refuse()
    threads.run(second.set)
    assert not second.is_set()
    go.set()
    assert second.wait(PATIENCE)
    refuse()
    runs(threads)
    threads.close()


def test_what_no_thread_has_begun_can_be_taken_back(threads: RequestThreads) -> None:
    go = threading.Event()
    begun = [threading.Event(), threading.Event()]

    def occupies(which: threading.Event) -> None:
        which.set()
        go.wait(PATIENCE)

    def never() -> None:
        pytest.fail("it was taken back")

    jobs = [lambda which=which: occupies(which) for which in begun]
    for job in jobs:
        threads.run(job)
    for which in begun:
        assert which.wait(PATIENCE)
    threads.run(never)
    assert threads.withdraw(never)
    assert not threads.withdraw(never)
    assert not threads.withdraw(jobs[0])
    go.set()
    runs(threads)
    threads.close()
