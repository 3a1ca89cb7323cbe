"""Types of the compiled core for step loops. At run time they are in `_core`."""

from collections.abc import Iterable, Sequence
from typing import final

from typing_extensions import Buffer

from ._core import RequestContext
from .messages import Step

@final
class StepStream:
    """One request whose chunks come by `Steps`; what ``generate`` returns for it."""

    @property
    def id(self) -> int:
        """Names the stream in a step. No other stream ever has the same id."""

    @property
    def is_open(self) -> bool:
        """Whether it may still be pushed to: it has not ended, nor been reported as cancelled."""

    def begin(self) -> None:
        """Wakes a step loop that waits; the worker does so when ``generate`` has returned it."""

@final
class StepReport:
    """What the engine learns from a push, or while it waits."""

    @property
    def cancelled(self) -> list[int]:
        """Streams that were stopped or whose clients have left, including those not in this step.

        They are closed: the engine frees what it holds for them and pushes nothing more. A stream
        that was never opened, or has ended, is reported here too if something was pushed to it.
        """

    @property
    def stalled(self) -> list[int]:
        """Streams whose clients are 128 chunks behind or more, including those not in this step.

        Nothing is lost. If it can, the engine pauses them until a report, from a push or from
        `Steps.wait`, no longer has them; a request fails when 65,536 of its chunks wait.
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
                    report = self.steps.push(batch) if batch else self.steps.wait()
                    for stream in report.cancelled:
                        self.free(stream)

            async def cleanup(self):
                self.serving = False
                self.steps.wake()

    A push never waits. It is one call, and with many streams costs each of them a fraction of what
    a chunk of its own would. All methods may be called from any thread. In a child that was forked
    from the worker's process, opening and pushing raise `RuntimeError`.
    """

    def __new__(cls) -> Steps: ...
    def open(self, context: RequestContext) -> StepStream:
        """Opens a stream for the request of ``context``, which ``generate`` got.

        Raises:
            InvalidArgument: ``context`` is one that ``abort`` got.
            EngineShutdown: `fail` was called. If that got an exception of
                `dynamo_backend_common.exceptions`, one of its class is raised instead.
            RuntimeError: The interpreter ends, or this is a forked child.
        """

    def fail(self, error: BaseException) -> None:
        """Fails every stream that is open, and each that is opened from here on.

        For an engine that can make no more steps; its ``watch`` should raise too. Streams that are
        pushed to afterwards are reported as cancelled. The log has the error once, with its
        traceback, for all requests that it ends.

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
            InvalidArgument: An entry is none of these; all others were handed over. The next push
                reports what this one would have reported.
        """

    def wait(self, timeout: float | None = None) -> StepReport:
        """Blocks the thread of a step loop that has nothing to push, and answers as a push does.

        It returns when a stream is cancelled, when the set of stalled streams differs from the last
        report, after `wake` and `fail`, and when ``generate`` has returned a stream: by then the
        loop finds what that ``generate`` has put into a queue. If any of this happens while the
        loop is busy, the next call returns at once. It may also return with nothing to report.

        Only one thread may wait at a time. The GIL is free meanwhile. Neither a signal nor the end
        of the interpreter ends the wait.

        Args:
            timeout: Seconds; 0 answers at once, None waits as long as it takes.

        Raises:
            InvalidArgument: ``timeout`` is negative, or no number.
            RuntimeError: This is a forked child.
        """

    def wake(self) -> None:
        """Ends the `wait` of the step loop, or its next one: for news that `wait` does not see.

        Raises:
            RuntimeError: This is a forked child.
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
            InvalidArgument: They are of different length, or have an item that is no stream or no
                token, such as a negative number; the message names it. Nothing was handed over.
        """

    def __len__(self) -> int:
        """Streams that are open."""
