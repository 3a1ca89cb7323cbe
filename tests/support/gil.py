"""A program, ``scripts/hold_the_gil.py``, whose GIL a test has held and lets go."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from .processes import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .launcher import Launcher


class HeldGil:
    """Serves an engine on ``port``; from `hold` to `release` nothing of its Python runs."""

    def __init__(
        self,
        launcher: Launcher,
        port: int,
        model_folder: str,
        log: str = "stderr",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._latches = launcher.latches
        self._fifo = launcher.folder / "release"
        self._thread = self._descriptor = 0
        os.mkfifo(self._fifo)
        arguments = (str(port), model_folder, str(self._fifo), log)
        self.program = launcher.script("hold_the_gil", *arguments, env=dict(env or {}))
        self.program.wait_for_line("state Serving")

    def hold(self) -> None:
        self._latches.release("hold")
        held = json.loads(self._latches.reached("holding"))
        self._thread, self._descriptor = held["thread"], held["descriptor"]
        self.is_held()

    def is_held(self) -> None:
        """Whoever let go of the GIL before would have let the thread say so."""
        assert not self._latches.is_reached("released")
        # In the kernel, in a call on the descriptor: it has the GIL then.
        until(self._reads, "the thread reads")

    def release(self) -> None:
        self._fifo.write_bytes(b"!")

    def released(self) -> None:
        self._latches.reached("released")

    def _reads(self) -> bool:
        call = Path(f"/proc/{self.program.pid}/task/{self._thread}/syscall").read_text().split()
        return len(call) > 1 and int(call[1], 16) == self._descriptor
