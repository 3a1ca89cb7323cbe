"""The compiled core. Private, except for what `dynamo_backend_common` exports."""

import sys
from asyncio import AbstractEventLoop, Future
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Final, final, overload

from typing_extensions import disjoint_base

from ._core_engines import RustEngine, echo_engine, take_engine
from ._core_publish import AdapterCards, KvPublisher, MetricsCore, MetricsSource, SnapshotPublisher
from ._core_steps import StepReport, Steps, StepStream
from ._core_testing import (
    RUST_CHECKS,
    TestConfig,
    TestContext,
    TestEngine,
    TestKvRecord,
    TestLoop,
    TestStream,
    check_rust_engine,
)
from ._core_trace import Span
from ._core_vllm import OutputSocket, StepRecord, Taken
from .config import RuntimeConfig, WorkerConfig
from .tracing import SpanAttribute

__all__ = [
    "BUILD_PROFILE",
    "DYNAMO_VERSION",
    "HEALTH_CHECK_KEY",
    "RUST_CHECKS",
    "SHUTDOWN_STAGES",
    "WORKER_STATES",
    "AdapterCards",
    "ConfigField",
    "EnvironmentVariable",
    "Inbox",
    "KvPublisher",
    "MetricsCore",
    "MetricsSource",
    "OutputSocket",
    "OwnProcess",
    "RequestContext",
    "RustEngine",
    "Sink",
    "SnapshotPublisher",
    "Span",
    "StepRecord",
    "StepReport",
    "StepStream",
    "Steps",
    "Taken",
    "TestConfig",
    "TestContext",
    "TestEngine",
    "TestKvRecord",
    "TestLoop",
    "TestStream",
    "TokenIds",
    "WorkerCore",
    "address_for_others",
    "check_environment",
    "check_rust_engine",
    "cleanup_seconds",
    "config_fields",
    "echo_engine",
    "environment_variables",
    "flush_log",
    "keep_handlers",
    "log_to_python",
    "log_to_stderr",
    "prepare",
    "take_engine",
    "unread_snapshots",
    "without_credentials",
]

BUILD_PROFILE: Final[str]
DYNAMO_VERSION: Final[str]
HEALTH_CHECK_KEY: Final[str]
SHUTDOWN_STAGES: Final[tuple[str, ...]]
WORKER_STATES: Final[tuple[str, ...]]

@disjoint_base
class RequestContext:
    """The context of one request: its identity, and whether it is still wanted.

    A stopped request wants no more output, and its stream ends with ``cancelled``; a killed one has
    nobody left to read even that.
    """

    @property
    def id(self) -> str:
        """The request's id, as the frontend gave it."""

    @property
    def metadata(self) -> dict[str, str]:
        """Strings that the caller sent along: one dict, which the engine may change or replace.

        What it changes is for itself. The context that ``abort`` gets has them as they came.

        Raises:
            InvalidArgument: What it is set to is no dict of str to str.
        """

    @metadata.setter
    def metadata(self, metadata: Mapping[str, str], /) -> None: ...
    def is_stopped(self) -> bool:
        """Whether nobody wants more output."""

    def is_killed(self) -> bool:
        """Whether nobody reads what still comes."""

    def stopped(self) -> Future[None]:
        """A future that resolves when the request is stopped or killed, or its stream has ended.

        On the event loop's thread only. Each call gives one of its own; asking again and again
        leaves nothing behind.
        """

    def killed(self) -> Future[None]:
        """A future that resolves when the request is killed, or its stream has ended."""

    @property
    def trace_id(self) -> str | None:
        """Id of the trace that the request is part of, 32 hexadecimal digits; None: of none."""

    @property
    def span_id(self) -> str | None:
        """Id of the span that `trace_headers` names, 16 hexadecimal digits; None: no trace."""

    @property
    def parent_span_id(self) -> str | None:
        """Id of the span above that; None: there is none, or no trace."""

    def current_span(self) -> Span:
        """The request's own span, to which the engine may add attributes and events."""

    def start_span(self, name: str, attributes: Mapping[str, SpanAttribute] | None = None) -> Span:
        """Begins a span below the request's own.

        Raises:
            InvalidArgument: An attribute is of a type that attributes cannot have; then nothing
                begins.
        """

    def trace_headers(self) -> dict[str, str]:
        """Headers by which another service continues the request's trace.

        ``traceparent`` of W3C Trace Context, and ``tracestate`` where the request came with one.
        What continues there is below the request's own span. Empty where there is no trace: the
        request is in none, or tracing is off in this process.
        """

    def stop_generating(self) -> None:
        """Stops the request, as its client may: ``abort`` is called, and `is_stopped` says so.

        Meant for a `detached` context. Of a request that a client waits for end the stream instead:
        its answer would break off, which a frontend takes for a lost worker.
        """

    def detached(self, id: str) -> RequestContext:  # noqa: A002
        """A context of another id with a stop of its own, for what is done in the request's place.

        It is in the request's trace, and has a copy of its metadata. Only its own `stop_generating`
        stops it; its futures resolve at the latest when the request's stream has ended.
        """

    def __eq__(self, other: object, /) -> bool:
        """Whether both are of one request."""

    def __hash__(self) -> int: ...
    def notify_first_token(self) -> None:
        """Tells that the first token exists before its chunk is yielded.

        From here on a decode worker may abort the request: one that is stopped before its first
        token is kept until then. A router that chose the worker's rank counts the prompt as
        computed.
        """

@final
class TokenIds(Sequence[int]):
    """The tokens of a prompt: a read-only sequence over memory that Rust owns.

    Nothing is copied until somebody reads it. ``numpy.asarray`` gives a read-only array of
    ``int64``, made once, and ``memoryview`` the same items (format ``l``); a slice, iterating,
    adding and multiplying give lists, and so do copying and pickling. It is no list: for
    `json.dumps`, give ``default=list``, or have an engine say ``token_ids_as_list = True``.
    """

    def tolist(self) -> list[int]:
        """A list of the tokens."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, place: int, /) -> int: ...
    @overload
    def __getitem__(self, place: slice, /) -> list[int]: ...
    def __iter__(self) -> Iterator[int]: ...
    def __contains__(self, token: object, /) -> bool: ...
    def index(self, token: int, *bounds: int) -> int:
        """Where ``token`` is first, as ``list.index``."""

    def count(self, token: int) -> int:
        """How often ``token`` is there."""

    def __eq__(self, other: object, /) -> bool:
        """Whether ``other`` is a list of the same tokens, or another prompt's same tokens."""

    __hash__: ClassVar[None]  # type: ignore[assignment]
    def __add__(self, other: list[int] | TokenIds, /) -> list[int]: ...
    def __radd__(self, other: list[int], /) -> list[int]: ...
    def __mul__(self, times: int, /) -> list[int]: ...
    def __rmul__(self, times: int, /) -> list[int]: ...
    if sys.version_info >= (3, 12):
        def __buffer__(self, flags: int, /) -> memoryview: ...

    def __reduce__(self) -> tuple[type[list[int]], tuple[list[int]]]: ...

@final
class Sink:
    """Takes the chunks of one request."""

    def push(self, value: object) -> Awaitable[bool | None] | bool | None:
        """Takes a chunk.

        Returns:
            None: go on. True: this was the terminal one. False: nobody takes another one. What is
            to be awaited before the next one, because the buffer is full, or because others may
            have had no turn for long; it gives None or False.
        """

    def push_blocking(self, value: object) -> bool | None:
        """Takes a chunk as `push` does, on a thread that may wait while the buffer is full."""

    @property
    def may_abort(self) -> bool:
        """Whether to let go of the request: on a decode worker not before its first token."""

    @property
    def refusal(self) -> str | None:
        """Why the last chunk was refused, if it was."""

    def fail(self, raised: BaseException) -> None:
        """Ends the stream with the error that ``raised`` is for a client."""

    def finish(self) -> None:
        """Ends the stream: the generator is exhausted."""

    def task_ended(self) -> None:
        """The request's task has ended: nothing is told to it any more."""

@final
class Inbox:
    """Messages of the core for an event loop."""

    def fileno(self) -> int:
        """The file descriptor that turns readable when there are messages."""

    def drain(self) -> None:
        """Runs what waits, in order, for a moment at most; the loop is woken again for the rest."""

    def close(self) -> None:
        """Ends it, when nothing reads it any more: the log no longer comes this way."""

@final
class WorkerCore:
    """One worker: configured at once, run once."""

    def __new__(
        cls,
        engine: object,
        engine_name: str,
        config: WorkerConfig,
        *,
        http: tuple[str, int] | None,
    ) -> WorkerCore: ...
    def serve(
        self, event_loop: AbstractEventLoop, on_state: Callable[[str], None]
    ) -> tuple[Inbox, Future[dict[str, Any]]]:
        """Begins the run; the future resolves with the arguments of its `Report`."""

    def release(self) -> None:
        """Gives the signals back and calls the deadline off, after the run."""

    @property
    def state(self) -> str:
        """The worker's state by its name."""

    @property
    def http_address(self) -> tuple[str, int] | None:
        """Address and port of the frontend, once it listens."""

    @property
    def served_model_name(self) -> str | None:
        """The public name of the model, once the engine has started."""

    def shutdown(self) -> None:
        """Asks for shutdown, before or during the run, from any thread."""

@final
class ConfigField:
    """One field of `WorkerConfig` or `RuntimeConfig`, as text."""

    @property
    def owner(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def variable(self) -> str: ...
    @property
    def default(self) -> str | None: ...
    @property
    def help(self) -> str: ...
    @property
    def values(self) -> list[str]: ...

@final
class EnvironmentVariable:
    """One variable of the environment, as text. Words and help are Markdown."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def values(self) -> list[str]: ...
    @property
    def default(self) -> str | None: ...
    @property
    def otherwise(self) -> str:
        """In words what else counts where nothing is set; may be empty."""

    @property
    def read_by(self) -> list[str]: ...
    @property
    def help(self) -> str: ...

def address_for_others() -> str:
    """The address that the runtime gives others for requests; for a process that serves nothing.

    Writes resolved names to the environment. One that cannot be used is an `InvalidArgument`.
    """

def check_environment() -> None:
    """Checks the variables that no field has; one that cannot be used is an `InvalidArgument`."""

def cleanup_seconds(runtime: RuntimeConfig) -> float:
    """Seconds that a shutdown keeps for the engine's cleanup, whatever came before it."""

def config_fields() -> list[ConfigField]:
    """Every field, in the order in which help shows them."""

def environment_variables() -> list[EnvironmentVariable]:
    """Every variable, in the order in which the documentation has them."""

def unread_snapshots() -> SnapshotPublisher:
    """A publisher that nobody reads, for tests of engines."""

def without_credentials(addresses: str) -> str:
    """Addresses, separated by commas, as they may be shown."""

def prepare(cores: Sequence[WorkerCore], folder: str | None) -> None:
    """Prepares the process for workers that run at once; ``folder`` is for their discovery."""

@final
class OwnProcess:
    """A process that is the worker's alone, from before the engine is imported.

    A context manager: SIGTERM and SIGINT end the process at once, with status 0, until a run takes
    them over; orphans of what the engine starts become the process's own children.
    """

    def __enter__(self) -> None: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

def keep_handlers() -> None:
    """Gives SIGTERM and SIGINT back to the workers that run, after Python has set handlers."""

def log_to_stderr() -> tuple[bool, bool]:
    """Sets up Dynamo's own logging, unless there is one; whether it is JSON, and in local time."""

def log_to_python() -> None:
    """Sends the log of the Rust side to `logging`, where the process has no subscriber yet."""

def flush_log() -> None:
    """Hands what waits of the log over to `logging` now, on the calling thread."""
