"""What an engine is: the protocol that every engine meets, and a base class for those who like one.

Only ``start``, ``generate`` and ``cleanup`` are required; an engine need not inherit from anything.
Requests and chunks are plain dicts with Dynamo's own keys, described in
`dynamo_backend_common.messages` and written down as the types `Request` and `Chunk`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from .exceptions import InvalidArgument
from .messages import HEALTH_CHECK_KEY, Chunk, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence

    from ._core import AdapterCards, RequestContext, StepStream
    from .config import EngineConfig
    from .publish import MetricsBindings, MetricsContext, PushKvEvents, ZmqKvEvents

__all__ = [
    "HEALTH_CHECK_KEY",
    "Chunk",
    "Engine",
    "ForeignEngine",
    "LLMEngine",
    "Progress",
    "Request",
]


class Progress(Protocol):
    """What ``start`` may report while it loads, from any thread."""

    def __call__(self, message: str, fraction: float | None = None) -> None:
        """Shows ``message``; ``fraction`` is the part that is done, 0 to 1, or None."""


class Engine(Protocol):
    """What a `Worker` needs of an engine. `LLMEngine` describes all methods, optional ones too."""

    def start(self, worker_id: int, /, *args: Any, **kwargs: Any) -> Awaitable[EngineConfig]:
        """Loads what ``generate`` needs; see `LLMEngine.start`."""

    # The request is Any: an engine may annotate it as `Request`, as a dict or as a Mapping. A chunk
    # that is a list is a raw engine's.
    def generate(
        self, request: Any, context: RequestContext, /
    ) -> (
        AsyncIterator[Mapping[str, Any] | Sequence[Mapping[str, Any]]]
        | Awaitable[Mapping[str, Any] | Sequence[Mapping[str, Any]] | StepStream]
        | Iterable[Mapping[str, Any] | Sequence[Mapping[str, Any]]]
        | Mapping[str, Any]
    ):
        """Serves one request; see `LLMEngine.generate`; of an engine with a step loop, `Steps`."""

    def cleanup(self) -> Awaitable[None]:
        """Releases everything; see `LLMEngine.cleanup`."""


class ForeignEngine(Protocol):
    """An object that hands over an engine in Rust, C or C++ that was compiled elsewhere.

    The engine then runs without Python. Of the object's other methods only ``configure`` is called,
    where it has one, also if it has all those of `Engine`. It lives as long as the engine.
    """

    def __dynamo_engine__(self, version: int, /) -> object:
        """Hands over an engine, a new one with each call.

        Args:
            version: The newest major version of the interface that the caller knows.

        Returns:
            A ``PyCapsule`` with the name ``dynamo_engine``, around the engine's table of functions.
            It owns the engine until that is taken, which renames it to ``used_dynamo_engine``; the
            destructor of one that was not renamed frees the engine.
        """


class LLMEngine(ABC):
    """Base class for an engine, with harmless defaults for all that is optional.

    Everything but a synchronous ``generate`` runs on one event loop thread: a method that computes
    or blocks does so in a thread of its own. ``generate``, ``abort`` and ``engine_control`` may run
    several at a time; ``engine_update`` runs one at a time, beside them.

    Two more methods may be added; the package looks for them by name:

    ``from_args(argv)``: a classmethod by which the command line makes the engine, from what follows
    ``--``, a list of str.

    ``configure(config)``: called by ``Worker(engine, config)`` with its `WorkerConfig`; returns
    the one to use, with what the operator left at its default filled in.

    Attributes:
        token_ids_as_list: Whether ``request["token_ids"]`` is a plain list of int. False: a
            `TokenIds`, for which nothing is copied. Read once, when the `Worker` is made.
    """

    token_ids_as_list: ClassVar[bool] = False

    @abstractmethod
    async def start(self, worker_id: int) -> EngineConfig:
        """Loads what ``generate`` needs. Called once; on return the engine can serve.

        A method that has a parameter named ``progress`` gets a `Progress` in it. The call is never
        cancelled midway: one that has a parameter named ``shutdown`` gets an `asyncio.Event` in it,
        which is set when a shutdown is asked for. Nothing of the engine but ``drain`` and
        ``cleanup`` is called then, so it may return at once, with any `EngineConfig`.

        Args:
            worker_id: Opaque, unique per replica, stable.

        Returns:
            What the engine says about itself.
        """

    @abstractmethod
    def generate(
        self, request: Request, context: RequestContext
    ) -> AsyncIterator[Chunk] | Awaitable[Chunk | Sequence[Chunk]] | Iterable[Chunk] | Chunk:
        """Serves one request: write it as an async generator (``async def`` with ``yield``).

        An ``async def`` without ``yield`` returns its one chunk, or a list of chunks.

        After its last chunk a generator has a second to end by itself. One that goes on is
        cancelled, once, and a line of the log says so; it is closed with ``aclose`` in any case.
        For a client that left before its turn neither ``generate`` nor ``abort`` is called.

        ``generate`` may also be synchronous: a plain generator, or a plain function that returns
        chunks. Then each request has a thread that calls, iterates and closes it, with the
        request's context variables; at most 256 requests at a time. It may block, and is held up
        while the client is slow. When the request is stopped it is closed between two chunks, but
        nothing can interrupt it: if it may block for long, it should check
        ``context.is_stopped()``, or be woken by ``abort``, which runs on the event loop. A plain
        function that is annotated as returning an ``AsyncIterator`` or an ``Awaitable`` is called
        on the event loop.

        Exactly one chunk has a ``finish_reason``, and it is the last one. When
        ``context.is_stopped()`` turns true the stream ends with ``"cancelled"``. What is raised
        reaches the client as an error of its kind: a class of
        `dynamo_backend_common.exceptions`, or the nearest kind to a built-in exception.

        Args:
            request: The request, with its prompt in ``token_ids``.
            context: Identity and cancellation of the request.
        """

    @abstractmethod
    async def cleanup(self) -> None:
        """Releases everything. Called once if ``start`` was called, also when ``start`` failed.

        Generators have ended by then. Threads that are still inside a synchronous ``generate`` are
        waited for, for three quarters of the time that a shutdown keeps for cleanup (5 s, or half
        of the shutdown's timeout where that is less); the log names the requests of those that did
        not end. For threads that the engine itself started, also by ``asyncio.to_thread``, it has
        to wait itself: the worker does not know of them.
        """

    async def abort(self, context: RequestContext) -> None:  # noqa: B027 (optional)
        """The request was stopped or killed: free what it holds. Does nothing by default.

        On a decode worker it waits for the request's first token, as the KV transfer of the prefill
        needs its receiver; see ``context.notify_first_token()``.
        """

    async def watch(self) -> None:  # noqa: B027 (optional)
        """Awaited once while the worker serves; raises when the engine can serve no more.

        The worker then leaves discovery, its requests are cut with the error on which frontends
        migrate them, ``cleanup`` is called but not ``drain``, and ``run()`` raises ``engine: …``
        from what was raised here. It is called when ``start`` has returned: what it raises before
        requests are served ends the start. Returning says that there is nothing more to watch, as
        the default does. It is cancelled in a shutdown, when its requests have been waited for.

        An engine with a step loop fails its streams too, by ``Steps.fail``.
        """

    async def drain(self) -> None:  # noqa: B027 (optional)
        """Called once in shutdown, before ``cleanup``; a failure is logged only."""

    async def is_quiescent(self) -> bool | None:
        """Whether nothing is left to hand over; None, the engine cannot tell, by default.

        Polled in the shutdown of a prefill worker, after ``drain``, until it is True or the budget
        ends (``DYN_PREFILL_DRAIN_TIMEOUT_S``): an engine that cannot tell keeps for all of that
        time what peers may still fetch from it. One that keeps nothing for them returns True. Also
        polled while such a worker is out of discovery without a shutdown: ``/engine/status`` calls
        it safe to delete only once this is True.
        """
        return None

    async def setup_metrics(self, ctx: MetricsContext) -> MetricsBindings | None:
        """Called once after ``start``: the place to set up metrics. None by default."""
        return None

    async def kv_event_sources(self) -> Sequence[ZmqKvEvents | PushKvEvents]:
        """The sources of KV events, one per data-parallel rank; none by default.

        Called once, after ``setup_metrics``; not at all where ``enable_kv_routing`` is off. Without
        ``kv_cache_block_size`` in the `EngineConfig` they are ignored, with a warning. A
        rank that has two, or that is not declared, ends the run with `InvalidArgument`.
        """
        return ()

    async def health_check_payload(self) -> Mapping[str, Any] | None:
        """The request of the health canary; None, no canary, by default.

        Called only if the operator gave none. ``generate`` gets it with the key `HEALTH_CHECK_KEY`.
        """
        return None

    async def on_adapter_cards(self, cards: AdapterCards) -> None:  # noqa: B027 (optional)
        """Called once, before requests are served, with what registers LoRA adapters' cards.

        By it ``engine_update``, or whatever else loads an adapter, has frontends know of it.

        An engine that loads adapters keeps ``cards``, and has ``max_gpu_lora_count`` in its
        `EngineConfig`. What is raised ends the run.
        """

    async def supported_controls(self) -> Sequence[str]:
        """Names of the controls that become routes of the system server; none by default.

        A control is called by ``POST /engine/NAME``. ``sleep``, ``release_memory_occupation`` and
        ``pause_generation`` take the worker out of discovery first; ``wake_up``,
        ``resume_memory_occupation`` and ``resume_generation`` put it back afterwards. Before the
        first two, requests in flight finish, or are cut after ``DYN_SLEEP_DRAIN_TIMEOUT_SECS``;
        from then on the engine gets none until it is awake. Before ``pause_generation`` none is
        waited for, and none is cut: the engine holds them.
        ``drain``, ``resume`` and ``status`` are the worker's own; an engine's control of such a
        name is called by ``POST /engine/control/NAME``.
        """
        return ()

    async def validate_engine_control(  # noqa: B027 (optional)
        self, name: str, body: Mapping[str, Any]
    ) -> None:
        """Raises if a control would not be accepted. Accepts everything by default.

        Asked before anything is done for the control: with a body that is refused here the worker
        stays in discovery, and what is raised is the reply, ``{"status": "error", "message": …}``.
        It must change nothing.

        Args:
            name: One of ``supported_controls()``.
            body: The JSON body of the call.
        """

    async def engine_control(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Performs a control.

        Args:
            name: One of ``supported_controls()``.
            body: The JSON body of the call.

        Returns:
            The reply; ``{"status": "error", "message": …}`` says that it failed, and
            ``"is_sleeping": True`` that the engine is not to be put back into discovery yet.

        What it raises is answered with HTTP status 500 and its message.

        Raises:
            InvalidArgument: By default, whatever the name.
        """
        raise InvalidArgument(f"{type(self).__name__} supports no control '{name}'")

    async def supported_updates(self) -> Sequence[str]:
        """Names of the updates that become routes of the system server; none by default.

        An update, called by ``POST /engine/update/NAME``, changes what the engine has beside its
        model, such as LoRA adapters. It leaves the worker where it is, in discovery or out of it,
        and runs also while the engine sleeps. ``model_taints`` is the worker's own: an engine with
        an update of that name ends the start with `InvalidArgument`.
        """
        return ()

    async def engine_update(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Performs an update; one at a time.

        Cards of adapters that it published or withdrew, by what `on_adapter_cards` was given, are
        put back to what they were if it raises or replies an error. To it belongs what it calls,
        awaits, and starts as tasks.

        Args:
            name: One of ``supported_updates()``.
            body: The JSON object of the call.

        Returns:
            The reply; ``{"status": "error", "message": …}`` says that it failed.

        What it raises is answered with HTTP status 500 and its message.

        Raises:
            InvalidArgument: By default, whatever the name.
        """
        raise InvalidArgument(f"{type(self).__name__} supports no update '{name}'")
