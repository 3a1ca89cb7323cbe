"""The engine vllm keeps the contract between a worker and an engine, on each of its paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.vllm_worker import ENGINE, LOADING, MODEL, PATHS

if TYPE_CHECKING:
    from support.launcher import Launcher


@pytest.mark.parametrize("path", PATHS)
def test_vllm_keeps_the_contract(launcher: Launcher, path: str) -> None:
    checked = launcher.command(
        *["check", "vllm", "--requests", "40", "--timeout", str(LOADING)],
        *["--", "--model", str(MODEL), "--token-path", path, *ENGINE],
    )
    checked.wait_for_line(r" passed, 0 failed", patience=2 * LOADING)
    assert checked.wait() == 0
    assert "passed  cancellation_at_every_point" in checked.output
