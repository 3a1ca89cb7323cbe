"""What is compared: workers, each with the same engine."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

WORKERS = Path(__file__).parent / "workers"


@dataclass(frozen=True)
class Arm:
    """A worker.

    Attributes:
        name: What tables call it; also its namespace in discovery.
        command: Starts it, without the namespace, which is the next argument.
        arguments: After the namespace.
        environment: Beside the common one; the client gets it too.
        python: Whether its first thread is an event loop.
    """

    name: str
    command: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    python: bool = False

    def beside_a_spinning_thread(self) -> Arm:
        """The same worker with a thread that computes for ever, a Python one where it can."""
        return replace(
            self, name=f"{self.name}, spin", environment=self.environment | {"BENCH_SPIN": "1"}
        )

    def with_quic(self) -> Arm:
        """The same worker with the runtime's QUIC response plane."""
        quic = {"DYN_RESPONSE_PLANE": "quic"}
        return replace(self, name=f"{self.name}, QUIC", environment=self.environment | quic)


REFERENCE_PYTHON = "reference, Python engine"
REFERENCE_RUST = "reference, Rust engine"
PUMP = "ours, async generator"
PUMP_ASYNCIO = "ours, async generator, asyncio"
STEP_PUSH = "ours, step push"
RUST = "ours, Rust engine"


def arms() -> list[Arm]:
    """All arms, as the environment says where they are (see ``scripts/bench.sh``)."""
    binaries = Path(os.environ["BENCH_BINARIES"])
    ours = (os.environ["BENCH_PYTHON"], str(WORKERS / "ours.py"))
    reference = (os.environ["BENCH_REFERENCE_PYTHON"], str(WORKERS / "reference.py"))
    return [
        Arm(REFERENCE_PYTHON, reference, python=True),
        Arm(REFERENCE_RUST, (str(binaries / "reference_rust"),)),
        Arm(PUMP, ours, ("generator", "uvloop"), python=True),
        Arm(PUMP_ASYNCIO, ours, ("generator", "asyncio"), python=True),
        Arm(STEP_PUSH, ours, ("steps", "uvloop"), python=True),
        Arm(RUST, (str(binaries / "our_rust"),)),
    ]
