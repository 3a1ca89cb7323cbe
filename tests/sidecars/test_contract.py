"""A sidecar keeps the contract of an engine: the whole kit for engines in Rust, with its server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.sidecar import FOUND, start_server

if TYPE_CHECKING:
    from support.launcher import Launcher
    from support.sidecar import Kind

# So that a request can be stopped before its last token.
DELAY = 0.01


def test_it_keeps_the_contract(launcher: Launcher, model_folder: str, kind: Kind) -> None:
    port = launcher.ports.reserve()
    start_server(launcher, kind, port, model_folder, delay=DELAY)
    check = launcher.command("check", kind.engine(), *kind.arguments(model_folder, port), env=FOUND)
    assert check.wait() == 0, check.describe()
    check.wait_for_line(rf"^{kind.name}-sidecar: \d+ passed, 0 failed, 4 skipped$")
    for checked in ("cancellation_at_every_point", "errors_are_typed", "no_leaks", "no_panic"):
        assert f"passed  {checked}" in check.stdout
