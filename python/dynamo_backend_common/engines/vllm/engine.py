"""The engine: requests go to vLLM's engine core, whose tokens come by one of three ways."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from ...config import EngineConfig, WorkerConfig
from ...exceptions import EngineShutdown, InvalidArgument
from ...publish import MetricsBindings
from . import card, metrics
from .client import Client
from .installation import import_vllm
from .kv_events import KvEvents
from .options import parse_arguments
from .paths import TOKEN_PATHS
from .serving import Serving
from .snapshots import Snapshots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..._core import AdapterCards, RequestContext, StepStream
    from ...publish import MetricsContext, ZmqKvEvents
    from .client import Progress


class Vllm:
    """Serves what vLLM serves; its engine core runs in a process of its own."""

    def __init__(self, *, token_path: str = TOKEN_PATHS[0], **engine_args: Any) -> None:
        """Imports vLLM; `start` starts it.

        Args:
            token_path: How tokens come from the engine core: ``auto``, ``socket``, ``steps`` or
                ``generate``.
            engine_args: Those of vLLM's ``AsyncEngineArgs``.

        Raises:
            InvalidArgument: An argument is not accepted.
            ImportError: vLLM is not installed.
        """
        if token_path not in TOKEN_PATHS:
            raise InvalidArgument(f"token_path: {token_path!r}; accepted: {', '.join(TOKEN_PATHS)}")
        import_vllm()
        from vllm.engine.arg_utils import AsyncEngineArgs

        try:
            self._engine_args = AsyncEngineArgs(**engine_args)
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"vLLM does not accept its arguments: {error}") from None
        self._model_given = "model" in engine_args
        self._token_path = token_path
        self._config = WorkerConfig()
        self._snapshots = Snapshots()
        self._kv_events = KvEvents()
        self._client: Client | None = None
        self._serving: Serving | None = None

    @classmethod
    def from_args(cls, argv: Sequence[str]) -> Self:
        """Makes the engine from command-line arguments; ``--help`` lists them.

        Raises:
            ImportError: vLLM is not installed.
            InvalidArgument: vLLM does not accept an argument.
            SystemExit: With status 2 after a message for a wrong argument, with 0 after ``--help``.
        """
        return cls(**parse_arguments(argv))

    def configure(self, config: WorkerConfig) -> WorkerConfig:
        """Has worker and vLLM agree about the model's names, and fills in what is left open.

        Raises:
            InvalidArgument: The model is where no frontend can load a tokenizer from.
        """
        config = card.configured(config, self._engine_args, model_given=self._model_given)
        self._config = config
        return config

    async def start(
        self,
        worker_id: int,  # noqa: ARG002
        progress: Progress | None = None,
        shutdown: asyncio.Event | None = None,
    ) -> EngineConfig:
        """Starts vLLM, in a thread, and the way by which its tokens come.

        Nothing more is started once ``shutdown`` is set.

        Raises:
            InvalidArgument: vLLM does not accept its arguments, or this engine cannot serve it so.
            Unknown: vLLM did not start; its own log says why.
        """
        self._kv_events.turn_on(self._engine_args, self._config)
        client = self._client = Client(self._engine_args, self._config, [self._snapshots])
        llm = await client.start(progress, shutdown or asyncio.Event())
        if llm is None:
            return EngineConfig(model=self._engine_args.model)
        self._serving = serving = Serving(llm, self._config)
        client.watch(llm, serving.fail)
        await serving.begin(
            self._token_path, counts_requests=not self._engine_args.disable_log_stats
        )
        return serving.engine_config

    async def generate(self, request: Mapping[str, Any], context: RequestContext) -> StepStream:
        """Serves one request: its tokens come by the steps of vLLM's engine core.

        Raises:
            InvalidArgument: The request cannot be served; the message says why.
            EngineShutdown: vLLM is not running.
        """
        return await self._started().serve(request, context)

    async def abort(self, context: RequestContext) -> None:  # noqa: ARG002
        """Has vLLM let go of the request at once."""
        if self._serving is not None:
            await self._serving.abort_unwanted()

    async def watch(self) -> None:
        """Waits for the death of vLLM, and raises it."""
        raise await self._started().failure()

    async def is_quiescent(self) -> bool | None:
        """Whether nothing runs; None where a peer may still fetch what was prefilled for it."""
        return None if self._serving is None else await self._serving.is_quiescent()

    async def setup_metrics(self, ctx: MetricsContext) -> MetricsBindings:
        """Shows vLLM's metrics; snapshots of the KV cache come from each of its ranks."""
        serving = self._started()
        metrics.register(ctx.metrics)
        return MetricsBindings(
            dp_ranks=serving.ranks,
            on_publisher_ready=lambda publisher: serving.publish(publisher, self._snapshots),
        )

    async def kv_event_sources(self) -> Sequence[ZmqKvEvents]:
        """The socket of each of vLLM's ranks, where it has a prefix cache."""
        return self._kv_events.sources(self._started().llm)

    async def health_check_payload(self) -> dict[str, Any] | None:
        """A request for one token."""
        return {
            "token_ids": [self._started().bos_token],
            "stop_conditions": {"max_tokens": 1},
            "sampling_options": {"temperature": 0.0},
        }

    async def on_adapter_cards(self, cards: AdapterCards) -> None:
        """Has frontends know of the LoRA adapters that are loaded while it serves."""
        adapters = self._started().adapters
        if adapters is not None:
            adapters.register_with(cards)

    async def supported_controls(self) -> Sequence[str]:
        """What vLLM as it is configured can be told."""
        return self._started().controls.names

    async def engine_control(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Performs a control.

        Raises:
            InvalidArgument: There is none of that name, or its body is not accepted.
        """
        return await self._started().control(name, body)

    async def validate_engine_control(self, name: str, body: Mapping[str, Any]) -> None:
        """Raises if vLLM would not sleep or pause with such a body.

        Raises:
            InvalidArgument: The message names the key.
        """
        self._started().controls.validate(name, body)

    async def supported_updates(self) -> Sequence[str]:
        """LoRA adapters and weights: the controls that are updates, too."""
        return self._started().controls.updates

    async def engine_update(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Performs an update.

        Raises:
            InvalidArgument: There is none of that name, or its body is not accepted.
        """
        serving = self._started()
        if name not in serving.controls.updates:
            known = ", ".join(serving.controls.updates) or "none"
            raise InvalidArgument(
                f"vLLM as it is configured has no update '{name}'; it has {known}"
            )
        return await serving.control(name, body)

    async def cleanup(self) -> None:
        """Ends vLLM with all its processes; may be called again, and after a failed start."""
        serving, self._serving = self._serving, None
        if serving is not None:
            await serving.end()
        if self._client is not None:
            await self._client.stop()
        self._kv_events.close()

    def _started(self) -> Serving:
        if self._serving is None:
            raise EngineShutdown("the vllm engine is not running")
        return self._serving
