"""What stands for a worker's publishers has exactly their interface, and sees what is wrong."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from dynamo_backend_common import KvPublisher, SnapshotPublisher
from dynamo_backend_common._core import MetricsCore, MetricsSource
from dynamo_backend_common.testing.publishers import (
    IgnoredSnapshots,
    RecordedKvPublisher,
    UnreadMetrics,
    UnreadSource,
)


def public(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in dir(value) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("real", "stand_in"),
    [
        (KvPublisher, RecordedKvPublisher(0, 4)),
        (SnapshotPublisher, IgnoredSnapshots()),
        (MetricsCore, UnreadMetrics()),
        (MetricsSource, UnreadSource()),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_it_has_what_the_real_one_has(real: type, stand_in: object) -> None:
    has = public(stand_in)
    for name, member in public(real).items():
        assert name in has
        if not callable(member):
            continue
        wanted = list(inspect.signature(member).parameters.values())[1:]
        given = list(inspect.signature(has[name]).parameters.values())
        assert [(each.name, each.kind) for each in given] == [
            (each.name, each.kind) for each in wanted
        ]


def test_events_that_agree_are_no_problem() -> None:
    publisher = RecordedKvPublisher(0, 2)
    publisher.publish_stored([(1, [7, 7]), (-1, [8, 8])])
    publisher.publish_stored([b"\0" * 7 + b"\5"], [9, 9], parent_hash=2**64 - 1)
    publisher.publish_removed([5, 1])
    assert publisher.problems == []
    publisher.publish_cleared()
    publisher.publish_removed([-1])
    assert publisher.problems == [f"rank 0: removed block {2**64 - 1}, which is not stored"]


@pytest.mark.parametrize("stored", [([(1, [7, 7]), (2, [7])],), ([1, 2], [7, 7, 7])])
def test_a_block_that_is_not_whole(stored: Any) -> None:
    publisher = RecordedKvPublisher(0, 2)
    publisher.publish_stored(*stored)
    assert publisher.problems == ["rank 0: stored blocks [1, 2], not all with 2 tokens"]


def test_a_parent_that_is_not_stored() -> None:
    publisher = RecordedKvPublisher(3, 1)
    publisher.publish_stored([(2, [7])], parent_hash=1)
    assert publisher.problems == ["rank 3: stored behind parent 1, which is not stored"]
