"""The sidecars: each test has a worker of its own, with a server of its own."""

from __future__ import annotations

import pytest

from support.sidecar import KINDS, Kind


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """A sidecar whose server is one of the tests'."""
    chosen: Kind = request.param
    return chosen
