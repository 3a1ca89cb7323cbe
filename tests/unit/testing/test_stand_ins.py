"""What stands for a worker's metrics has exactly their interface."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from dynamo_backend_common._core import MetricsCore, MetricsSource
from dynamo_backend_common.testing.metrics import UnreadMetrics, UnreadSource


def public(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in dir(value) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("real", "stand_in"),
    [
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
