"""Engines that keep the contract pass, and each that breaks it is caught by the check for that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_backend_common import InvalidArgument, WorkerConfig
from dynamo_backend_common.engines.echo import Echo
from dynamo_backend_common.testing import (
    CHECKS,
    RUST_CHECKS,
    EngineCheckFailed,
    check_engine,
    request,
)
from dynamo_backend_common.testing.checking import run_checks
from support.good_engines import GOOD, Good
from support.wrong_engines import LET_GO, WRONG, LeavesTasks, LeavesThreads, OneAtATime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Wrong engines are waited for so long where they hang.
PATIENCE = 1.0
FEW = 60


class OneAtATimeAsConfigured(OneAtATime):
    def configure(self, config: WorkerConfig) -> WorkerConfig:
        return replace(config, max_concurrent_requests=1)


@pytest.fixture(scope="module", autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    LET_GO.set()


@pytest.mark.parametrize("make", [Echo, *GOOD])
def test_an_engine_that_keeps_the_contract_passes(make: Callable[[], Any]) -> None:
    results = check_engine(make)

    names = RUST_CHECKS if make is Echo else CHECKS
    assert tuple(result.name for result in results) == names
    assert {result.outcome for result in results} <= {"passed", "skipped"}


@pytest.mark.parametrize(
    ("make", "check", "found"), WRONG, ids=[f"{name}-{each.__name__}" for each, name, _ in WRONG]
)
def test_a_wrong_engine_is_caught_by_the_check_for_that(
    make: Callable[[], Any], check: str, found: str
) -> None:
    short = request(range(1, 65), stop_conditions={"max_tokens": 24})
    name, results = run_checks(make, request=short, requests=FEW, timeout=PATIENCE)

    [result] = [each for each in results if each.name == check]
    assert result.outcome == "failed", "\n".join(map(str, results))
    assert found in result.found
    assert result.mend
    assert name == make.__name__


def test_every_check_catches_somebody() -> None:
    assert {check for _, check, _ in WRONG} == set(CHECKS)


def test_what_failed_is_told_with_how_to_mend_it() -> None:
    make = next(make for make, check, _ in WRONG if check == "cleanup_twice")
    with pytest.raises(EngineCheckFailed) as raised:
        check_engine(make, requests=1)

    assert str(raised.value).splitlines()[0] == f"CleansUpOnce: 1 of {len(CHECKS)} checks failed"
    assert "failed  cleanup_twice: " in str(raised.value)
    assert "mend: in cleanup, clear" in str(raised.value)
    assert len(raised.value.results) == len(CHECKS)


@pytest.mark.parametrize(("count", "left"), [(2, 1), (32, 16)])
def test_few_requests_are_compared_too(count: int, left: int) -> None:
    _, results = run_checks(LeavesTasks, requests=count, timeout=PATIENCE)

    [leaks] = [each for each in results if each.name == "no_leaks"]
    assert leaks.outcome == "failed"
    assert f"{left} tasks of Event.wait" in leaks.found


def test_too_few_requests_to_see_threads_are_no_pass() -> None:
    results = {result.name: result for result in check_engine(Good, requests=16)}

    assert results["no_leaks"].outcome == "skipped"
    assert "give it 17 or more" in results["no_leaks"].found
    _, wrong = run_checks(LeavesThreads, requests=17, timeout=PATIENCE)
    assert "no_leaks" in [each.name for each in wrong if each.outcome == "failed"]


def test_an_engine_is_given_no_more_at_once_than_it_has_asked_for() -> None:
    check_engine(OneAtATimeAsConfigured)


@pytest.mark.parametrize("make", [Good, Echo])
def test_one_engine_is_checked_but_for_what_takes_two(make: Callable[[], Any]) -> None:
    results = {result.name: result for result in check_engine(make(), requests=1)}

    assert results["cleanup_after_failed_start"].outcome == "skipped"
    assert results["cleanup_twice"].outcome == "passed"


def test_a_request_of_ones_own_need_not_have_every_part() -> None:
    check_engine(Good, request={"token_ids": [1, 2, 3]})


async def test_it_has_a_loop_of_its_own() -> None:
    with pytest.raises(RuntimeError, match="call it in a plain function"):
        check_engine(Good)


def test_an_engine_without_a_method_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="object has no method start"):
        check_engine(object)


def test_an_engine_that_does_not_start_is_cleaned_up_and_asked_nothing() -> None:
    make = next(make for make, check, _ in WRONG if check == "start")
    _, results = run_checks(make)
    outcomes = {result.name: result.outcome for result in results}

    assert outcomes.pop("start") == "failed"
    assert {name for name, outcome in outcomes.items() if outcome == "passed"} == {
        "cleanup_after_failed_start",
        "cleanup",
        "cleanup_twice",
        "nothing_is_left",
        "event_loop_is_free",
    }
    assert "failed" not in outcomes.values()
