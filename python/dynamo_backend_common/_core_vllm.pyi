"""Types of the compiled core for vLLM's output socket. At run time they are in `_core`."""

from collections.abc import Mapping, Sequence
from typing import Any, final

from ._core_publish import SnapshotPublisher
from ._core_steps import Steps, StepStream

@final
class OutputSocket:
    """Reads the messages of vLLM's engine cores, and hands tokens to their streams without the GIL.

    A thread reads at the address to which the engine cores send. Outputs of requests that it was
    told to expect go to their streams. Everything else goes on to vLLM's own client at once, as
    the message that it was: answers to calls, the word that a core is dead, outputs of other
    requests, and what cannot be read; then all requests fail whose tokens that may be.

    In a child that was forked from the worker's process, all methods but `close` raise
    `RuntimeError`.
    """

    def __new__(
        cls,
        steps: Steps,
        layout: Mapping[str, Sequence[str]],
        *,
        address: str,
        forward_to: str,
        statistics: bool,
    ) -> OutputSocket:
        """Binds ``address`` and begins to read.

        Args:
            steps: Where the streams were opened.
            layout: The fields, in order, of ``EngineCoreOutputs``, ``EngineCoreOutput``,
                ``LogprobsLists``, ``PrefillStats`` and ``SchedulerStats`` of the release that runs.
            address: Where the engine cores send to. Nobody else is bound to it any more.
            forward_to: Where vLLM's client is bound by now.
            statistics: Whether `take` gives records. Then the statistics of the scheduler are in
                them, and in no message that goes on to the client.

        Raises:
            InvalidArgument: An address cannot be used; the layout lacks a field that is needed.
        """

    def expect(
        self,
        request_id: str,
        stream: StepStream,
        *,
        prompt_tokens: int,
        logprobs: int | None = None,
        is_guided: bool = False,
        prompt_tokens_details: Mapping[str, Any] | None = None,
    ) -> None:
        """Has a request's outputs go to ``stream``. To be called before the request is sent.

        The first chunk and the last one have the usage. What vLLM gives up with an error ends the
        stream with `Disconnected`, on which a frontend has another worker go on.

        Args:
            request_id: As the outputs have it: vLLM's own, behind ``assign_request_id``.
            stream: Where they go.
            prompt_tokens: Tokens of the prompt.
            logprobs: Likeliest tokens to tell beside each one; None: no log probabilities.
            is_guided: Whether a grammar guides the output. Then an error behind the first token is
                `Unknown`: another worker would begin with the grammar anew.
            prompt_tokens_details: Of the usage, in place of what the engine core says.

        Raises:
            InvalidArgument: The request is expected already; the details are none.
        """

    def publish_snapshots(
        self, publisher: SnapshotPublisher, total_blocks: Mapping[int, int]
    ) -> None:
        """Publishes the load at every step.

        Args:
            publisher: Of the worker's.
            total_blocks: KV blocks of each data-parallel rank; other ranks are left out.
        """

    def take(self) -> Taken:
        """What came since the last call.

        To be called a few times a second: only then clients are noticed that leave while nothing
        comes for their requests. Records wait for a minute or so.
        """

    def close(self) -> None:
        """Ends the thread and lets go of both addresses; once is enough."""

    def __len__(self) -> int:
        """Requests that are expected."""

@final
class Taken:
    """What `OutputSocket.take` gives."""

    @property
    def steps(self) -> list[StepRecord]:
        """One record for each message, oldest first; empty without statistics."""

    @property
    def given_up(self) -> list[str]:
        """Ids of requests that nobody wants any more: they are to be aborted in the engine core.

        One whose outputs come for a second and more all the same is told again.
        """

@final
class StepRecord:
    """What vLLM's statistics need of one step."""

    @property
    def engine_index(self) -> int:
        """The data-parallel rank."""

    @property
    def timestamp(self) -> float:
        """Of the step, in seconds on the engine core's monotonic clock."""

    @property
    def scheduler_stats(self) -> bytes | None:
        """``SchedulerStats`` in msgpack; None: the step had none."""

    @property
    def generation_tokens(self) -> int:
        """Tokens of the outputs that are not in `notable`."""

    @property
    def inter_token_latencies(self) -> list[float]:
        """Seconds since the output before, for each of the same outputs."""

    @property
    def notable(self) -> list[tuple[bytes, int, float]]:
        """The first and the last output of each request, and those with events.

        ``EngineCoreOutput`` in msgpack, with what statistics need; the tokens that the request had
        before it; the timestamp of the output before it, 0.0: there was none.
        """
