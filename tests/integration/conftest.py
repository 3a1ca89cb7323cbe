"""Workers on either event loop."""

from collections.abc import Iterator

import pytest

from support.launcher import Launcher


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def of_loop(loop: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """For each kind of loop another: the engine reaches the same latches in both."""
    with Launcher(tmp_path_factory.mktemp(loop)) as started:
        yield started
