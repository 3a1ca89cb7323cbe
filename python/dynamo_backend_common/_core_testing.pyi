"""Types of the compiled core for engines without a worker. At run time they are in `_core`."""

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, final

from ._core import Inbox, RequestContext, RustEngine

RUST_CHECKS: Final[tuple[str, ...]]
"""Names of the checks of an engine in Rust, in their order."""

@final
class TestLoop:
    """An event loop on which engines are tested, below `dynamo_backend_common.testing`."""

    @staticmethod
    def open(event_loop: AbstractEventLoop) -> tuple[TestLoop, Inbox]:
        """Begins with a loop, which is to read the inbox, in a process that `prepare` prepared."""

    def context(self, id: str, metadata: Mapping[str, str]) -> TestContext:  # noqa: A002
        """A context for the request of a client that is the test."""

    def engine(self, engine: object, name: str) -> TestEngine:
        """Drives a `RustEngine`, or the bridge around a Python engine."""

@final
class TestContext(RequestContext):
    """The context of a request that a test made, who may stop and kill it."""

    def stop(self) -> None:
        """The client wants no more output, as when it closed its connection."""

    def kill(self) -> None:
        """The client does not even read what still comes."""

@final
class TestEngine:
    """An engine as a worker calls it; what its methods return is to be awaited."""

    def start(self, worker_id: int) -> Future[TestConfig]:
        """Starts it."""

    def record_kv_events(self, config: TestConfig) -> Future[list[TestKvRecord]]:
        """Hands it, which has started, a worker's publishers; gives a record for each."""

    def generate(self, request: Mapping[str, Any], context: RequestContext) -> Future[TestStream]:
        """Begins a request."""

    def abort(self, context: RequestContext) -> Future[None]:
        """Tells the engine that the request was stopped."""

    def drain(self) -> Future[None]: ...
    def is_quiescent(self) -> Future[bool | None]: ...
    def cleanup(self) -> Future[None]: ...
    def health_check_payload(self) -> Future[Any]: ...
    def supported_controls(self) -> Future[list[str]]: ...
    def engine_control(self, name: str, body: object) -> Future[Any]: ...

@final
class TestConfig:
    """What an engine's ``start`` returned."""

@final
class TestKvRecord:
    """The KV events of one rank, held against each other."""

    @property
    def problems(self) -> list[str]:
        """Where events did not agree with those before them; the first five."""

@final
class TestStream:
    """The chunks of one request; those that are ready together are one."""

    def next(self) -> Future[dict[str, Any] | None]:
        """The next chunk, or None at the end."""

    def close(self) -> None:
        """Drops it, as the worker does when its client has left, or after its last chunk."""

def check_rust_engine(
    engine: RustEngine,
    another: RustEngine | None,
    request: Mapping[str, Any],
    *,
    requests: int,
    timeout: float,
    tell: Callable[[str, Literal["passed", "failed", "skipped"], str, str, str], object],
) -> None:
    """Checks an engine, and ``another`` that was not started, on a runtime of its own.

    ``tell`` gets name, outcome, rule, finding and remedy of each check, on the calling thread.
    """
