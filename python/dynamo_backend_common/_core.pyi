"""The compiled core. Private, except for what `dynamo_backend_common` exports."""

import sys
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, ClassVar, Final, final, overload

from typing_extensions import Buffer

from ._core_publish import KvPublisher, MetricsCore, MetricsSource, SnapshotPublisher
from .config import WorkerConfig
from .messages import Step

__all__ = [
    "HEALTH_CHECK_KEY",
    "ConfigField",
    "Inbox",
    "KvPublisher",
    "MetricsCore",
    "MetricsSource",
    "OwnProcess",
    "RequestContext",
    "RustEngine",
    "Sink",
    "SnapshotPublisher",
    "StepReport",
    "StepStream",
    "Steps",
    "TokenIds",
    "WorkerCore",
    "check_environment",
    "cleanup_seconds",
    "config_fields",
    "echo_engine",
    "flush_log",
    "keep_handlers",
    "log_to_python",
    "log_to_stderr",
    "prepare",
]

HEALTH_CHECK_KEY: Final[str]

@final
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
        """Strings that the caller sent along."""

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

    def trace_headers(self) -> dict[str, str]:
        """Headers by which another service continues the request's trace.

        ``traceparent`` of W3C Trace Context, and ``tracestate`` where the request came with one.
        What continues there is below the request's own span. Empty where there is no trace: the
        request is in none, or tracing is off in this process.
        """

    def __eq__(self, other: object, /) -> bool:
        """Whether both are of one request."""

    def __hash__(self) -> int: ...
    def notify_first_token(self) -> None:
        """Tells that the first token exists before its chunk is yielded.

        From here on a decode worker may abort the request: one that is stopped before its first
        token is kept until then.
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
class RustEngine:
    """An engine written in Rust. It goes into `Worker` like any other and runs without Python."""

    @property
    def name(self) -> str:
        """The engine's name in messages and logs."""

@final
class Sink:
    """Takes the chunks of one request."""

    def push(self, value: object) -> Future[bool | None] | bool | None:
        """Takes a chunk.

        Returns:
            None: go on. True: this was the terminal one. False: nobody takes another one. A future:
            to be awaited before the next one, because the buffer is full, or because others had no
            turn for long; it gives None or False.
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
class StepStream:
    """One request whose chunks come by `Steps`; what ``generate`` returns for it."""

    @property
    def id(self) -> int:
        """Names the stream in a step. It is never used again."""

    @property
    def is_open(self) -> bool:
        """Whether it may still be pushed to: it was neither ended, nor told as cancelled."""

@final
class StepReport:
    """What the engine learns from a push."""

    @property
    def cancelled(self) -> list[int]:
        """Streams that nobody wants any more, also such as were not in this step.

        They are closed: the engine frees what it holds for them and pushes nothing more. A stream
        that was never opened, or has ended, is told here too where something was pushed to it.
        """

    @property
    def stalled(self) -> list[int]:
        """Streams whose clients are 128 chunks behind or more, also such as were not in this step.

        Nothing is lost. An engine that can pauses them until a push does not tell them any more,
        if only one of an empty step; a request fails when 65,536 chunks wait.
        """

@final
class Steps:
    """Where an engine with a step loop hands over the tokens of all its requests at once.

    An engine opens a stream in ``generate`` and returns it; its step loop, on any thread, pushes::

        class Stepped:
            def __init__(self):
                self.steps = Steps()
                self.requests = queue.SimpleQueue()  # read by the thread of the step loop

            async def generate(self, request, context):
                stream = self.steps.open(context)
                self.requests.put((stream.id, request["token_ids"]))
                return stream

            def step_loop(self):
                while self.serving:
                    batch = self.next_tokens()  # e.g. [(1, 318), (2, 257, "stop")]
                    for stream in self.steps.push(batch).cancelled:
                        self.free(stream)

    A push never waits. It is one call, and with many streams costs each of them a fraction of what
    a chunk of its own would. All methods may be called from any thread. In a child that was forked
    from the worker's process, opening and pushing raise `RuntimeError`.
    """

    def __new__(cls) -> Steps: ...
    def open(self, context: RequestContext) -> StepStream:
        """Opens a stream for the request of ``context``, which ``generate`` got.

        Raises:
            InvalidArgument: ``context`` is one that ``abort`` got.
            EngineShutdown: `fail` was called; of the class that it was given, if that is one of
                `dynamo_backend_common.exceptions`.
            RuntimeError: The interpreter ends, or this is a forked child.
        """

    def fail(self, error: BaseException) -> None:
        """Fails every stream that is open, and each that is opened from here on.

        For an engine that can make no more steps; beside it, its ``watch`` raises. What is pushed
        afterwards is told as cancelled. The log has the error once, with its traceback, for all
        requests that it ends.

        Args:
            error: What the requests end with. An exception that is none of
                `dynamo_backend_common.exceptions` counts as `EngineShutdown`, on which a frontend
                migrates them to another worker.
        """

    def push(self, step: Iterable[Step]) -> StepReport:
        """Hands over one step.

        An entry whose tokens or chunk cannot be read ends the request of its stream with an error,
        and the log says why. An exception that requests are ended with is in the log, with its
        traceback, once. Where ``step`` itself raises, what came before was handed over. While the
        interpreter ends, a push from a daemon thread takes nothing, and every stream is cancelled.

        Args:
            step: For each stream ``(stream, tokens)``, with one token or a list of them, and at its
                end ``(stream, tokens, finish_reason)`` or ``(stream, tokens, finish_reason,
                completion_usage)``. ``(stream, chunk)`` hands over any other chunk,
                ``(stream, exception)`` ends the request with an error.

        Raises:
            InvalidArgument: An entry is none of these; all others were handed over. What the push
                would have reported, the next one does.
        """

    def push_packed(
        self, streams: Buffer | Sequence[int], tokens: Buffer | Sequence[int]
    ) -> StepReport:
        """Hands over one token for each stream, without a Python object for any of them.

        Args:
            streams: Ids, in an array of one dimension: integers of 64 or 32 bits, signed or not,
                such as numpy's; fastest are ``uint64``. What is no such array is read item by item.
            tokens: As many tokens; fastest are ``uint32``.

        Raises:
            InvalidArgument: They are of different length, or one has what is no stream or no token,
                such as a negative number; the message names it. Nothing was handed over.
        """

    def __len__(self) -> int:
        """Streams that are open."""

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
        on_state: Callable[[str], None] | None,
    ) -> WorkerCore: ...
    def serve(self, event_loop: AbstractEventLoop) -> tuple[Inbox, Future[dict[str, Any]]]:
        """Begins the run; the future resolves with the arguments of its `Report`."""

    def release(self) -> None:
        """Gives the signals back and calls the deadline off, after the run."""

    @property
    def state(self) -> str:
        """The worker's state by its name."""

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

def check_environment() -> None:
    """Checks the variables that no field has; one that cannot be used is an `InvalidArgument`."""

def cleanup_seconds() -> float:
    """Seconds that a shutdown keeps for the engine's cleanup, whatever came before it."""

def config_fields() -> list[ConfigField]:
    """Every field, in the order in which help shows them."""

def echo_engine(*, model: str = "echo", delay: float = 0.0) -> RustEngine:
    """The engine that answers with the prompt: ``delay`` seconds before each token."""

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
