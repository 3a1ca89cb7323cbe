"""The engine: requests become sequences of the step loop, which pushes their output."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from ..._core import Steps
from ...config import EngineConfig, WorkerConfig
from ...exceptions import DynamoError, EngineShutdown, InvalidArgument
from ...publish import MetricsBindings, PushKvEvents
from .adapters.given import given_adapters
from .adapters.registry import UPDATES, Adapters
from .binding.library import require_library
from .cache.kv_reports import DP_RANK, KvReports
from .cache.prefix_cache import PrefixCache
from .cache.without_beginning import WithoutBeginning
from .controls import Controls
from .files.chat_template import endpoint_types
from .files.model_source import ModelSource
from .loaded import Loaded, load
from .metrics import metrics_text
from .options import Options, parse_options
from .pooling.engine import LlamaCppPooling
from .request.beginning import with_beginning
from .request.generation import read_request
from .request.preparation import Preparation
from .starting import given_up_by
from .steps.counts import Counts
from .steps.load import Load
from .steps.scheduler import Scheduler
from .steps.sequence import Sequence
from .steps.step_loop import StepLoop

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence as List

    from ..._core import AdapterCards, RequestContext, StepStream
    from ...engine import Progress
    from ...publish import MetricsContext
    from .binding.model import Model
    from .files.model_file import ModelFile

logger = logging.getLogger(__name__)


class LlamaCpp:
    """Serves a GGUF model with llama.cpp; all running requests share every step.

    Sampling options that a request leaves out are those that the file recommends, else those of the
    OpenAI API: temperature 1, all tokens are candidates. Temperature 0 is greedy.
    """

    def __init__(self, **options: Any) -> None:
        """Finds the model; `start` fetches it, where it is of a hub, and loads it.

        Args:
            options: What `Options` has, by name, such as ``model_path`` and ``threads``; what is
                None has its default.

        Raises:
            TypeError: There is no option of such a name.
            InvalidArgument: A value is out of range, there is no such file, or no path was given
                and the extra ``smollm2`` is not installed.
            ImportError: The extra ``llama-cpp`` is not installed.
        """
        require_library()
        self._options = Options.of(options)
        if self._options.embeddings or self._options.reranking:
            raise InvalidArgument(
                "LlamaCpp has no embeddings and no reranking: LlamaCppPooling has"
            )
        self._source = ModelSource(self._options.model, self._options.model_path)
        self._adapters = Adapters(given_adapters(self._options), self._options.max_loras)
        draft = self._options.model_draft
        self._draft_source = None if draft is None else ModelSource(draft, None)
        self._steps = Steps()
        self._kv_reports = KvReports()
        self._counts = Counts()
        self._loading: asyncio.Future[Loaded] | None = None
        self._loaded: Loaded | None = None
        self._step_loop: StepLoop | None = None
        self._preparation: Preparation | None = None
        self._controls = Controls(self)
        self._closing = threading.Event()
        self._changing = asyncio.Lock()
        # Set while the step loop runs, or none will any more.
        self._settled = asyncio.Event()

    @classmethod
    def from_args(cls, argv: List[str]) -> Self | LlamaCppPooling:
        """Makes the engine from command-line arguments; ``--help`` lists them.

        Returns:
            The engine: with ``--embeddings`` and ``--reranking`` it is that of vectors.

        Raises:
            SystemExit: With status 2 after a message for a wrong argument, with 0 after ``--help``.
        """
        try:
            options = parse_options(argv)
            made = LlamaCppPooling if options.embeddings or options.reranking else cls
            return made(**dataclasses.asdict(options))
        except InvalidArgument as error:
            print(f"llama-cpp: error: {error}", file=sys.stderr)
            raise SystemExit(2) from error

    def configure(self, config: WorkerConfig) -> WorkerConfig:
        """Fills in model folder and name where the operator gave none.

        A model without a chat template is served without chat.

        Raises:
            InvalidArgument: The file's tokenizer is not known, or the file is damaged.
        """
        if not config.model_name:
            folder = self._source.folder
            config = dataclasses.replace(
                config, model_name=str(folder), endpoint_types=endpoint_types(folder, config)
            )
        if config.served_model_name is None:
            config = dataclasses.replace(config, served_model_name=self._source.name)
        return config

    async def start(
        self,
        worker_id: int,  # noqa: ARG002
        progress: Progress | None = None,
        shutdown: asyncio.Event | None = None,
    ) -> EngineConfig:
        """Fetches and loads the model in a thread, and starts the step loop.

        Raises:
            InvalidArgument: llama.cpp cannot load the file, or not with these options; or the hub
                has no such model.
            CannotConnect: The hub cannot be reached.
        """
        try:
            with given_up_by(shutdown, self._closing):
                model = await self._run_up(progress)
        except DynamoError:
            if shutdown is None or not shutdown.is_set():
                raise
            return EngineConfig(model=self._source.name or "llama-cpp")
        block_size = self._options.kv_cache_block_size
        return EngineConfig(
            model=self._file.name,
            served_model_name=self._file.name,
            context_length=model.context_length,
            kv_cache_block_size=block_size,
            total_kv_blocks=model.total_tokens // block_size,
            max_num_seqs=model.max_num_seqs,
            max_num_batched_tokens=model.max_num_batched_tokens,
            max_gpu_lora_count=self._options.max_loras,
        )

    async def _run_up(self, progress: Progress | None) -> Model:
        """Loads the model, and begins to make steps."""
        self._loading = asyncio.ensure_future(asyncio.to_thread(self._load, progress))
        # A start that is cancelled leaves the thread to `cleanup`.
        self._loaded = await asyncio.shield(self._loading)
        model = self._loaded.model
        if self._options.prefix_caching and not model.keeps_prefixes:
            logger.warning("prefix caching is off: '%s' cannot keep a prefix", self._file.name)
        cache = PrefixCache(
            model.max_slots,
            block_size=self._options.kv_cache_block_size,
            listener=WithoutBeginning(self._kv_reports, model.begin_token),
            states=model,
            cache_ram=self._options.cache_ram_bytes,
            enabled=self._caches_prefixes(model),
        )
        scheduler = Scheduler(
            model,
            self._options.prefill_chunk,
            cache,
            counts=self._counts,
            speculation=self._loaded.speculation(),
        )
        self._preparation = Preparation(model)
        # Those of a loop that has ended take no more.
        self._steps = Steps()
        self._step_loop = StepLoop(scheduler, self._steps, self._kv_reports)
        self._step_loop.start()
        self._adapters.serve(self._step_loop)
        self._settled.set()
        return model

    def _load(self, progress: Progress | None) -> Loaded:
        proceed = partial(self._proceed, progress)
        file = self._source.fetch(proceed)
        draft = None if self._draft_source is None else self._draft_source.fetch(proceed)
        loaded = load(file, draft, self._options, proceed)
        try:
            if loaded.model.is_encoder:
                raise InvalidArgument(
                    f"'{file.path.name}' is an encoder, which makes no text: serve it with "
                    "--embeddings or --reranking"
                )
            self._adapters.load_into(loaded.model, file)
        except BaseException:
            loaded.close()
            raise
        return loaded

    async def generate(self, request: Mapping[str, Any], context: RequestContext) -> StepStream:
        """Serves one request: its tokens come by the steps, one a step, or more by a draft.

        Raises:
            InvalidArgument: The request cannot be served; the message says why.
            EngineShutdown: The engine is not running.
        """
        model, step_loop = self._started()
        generation = read_request(
            with_beginning(request, model.begin_token),
            context_length=model.context_length,
            vocab_size=model.vocab_size,
            end_tokens=model.end_tokens,
            defaults=self._file.sampling_defaults,
            adapters=self._adapters.by_name,
        )
        preparation = self._preparation
        assert preparation is not None
        generation = await preparation.of(generation)
        if self._started()[0] is not model:
            # What was prepared is of a vocabulary that was freed.
            raise EngineShutdown("the llama-cpp engine slept meanwhile")
        self._adapters.require(generation.adapter)
        stream = self._steps.open(context)
        step_loop.submit(Sequence(generation, stream.id), stream)
        return stream

    async def watch(self) -> None:
        """Waits for the end of the engine, and raises what its step loop fails with."""
        self._started()
        while not self._closing.is_set():
            if self._step_loop is not None:
                await self._step_loop.watch()
            # It ended for a sleep, or the engine ends.
            await self._settled.wait()

    async def is_quiescent(self) -> bool:
        """Whether no request is running or waiting."""
        load = self.load
        return not len(self._steps) and load.running == 0 and load.waiting == 0

    async def setup_metrics(self, ctx: MetricsContext) -> MetricsBindings:
        """Shows the engine's metrics; snapshots of the KV cache come from its one rank."""
        labels = ctx.metrics.labels
        ctx.metrics.register_text(
            lambda: metrics_text(
                counts=self._counts, load=self.load, kv_use=self._kv_reports.use, labels=labels
            )
        )
        return MetricsBindings(
            dp_ranks=[DP_RANK], on_publisher_ready=self._kv_reports.publish_snapshots
        )

    async def kv_event_sources(self) -> List[PushKvEvents]:
        """The prefix cache tells what it holds, where there is one."""
        model, _ = self._started()
        if not self._caches_prefixes(model):
            return []
        return [PushKvEvents(on_ready=self._kv_reports.publish_events, dp_rank=DP_RANK)]

    async def on_adapter_cards(self, cards: AdapterCards) -> None:
        """Has frontends know of each LoRA adapter as of a model of its own."""
        await self._adapters.register_with(cards)

    async def supported_updates(self) -> List[str]:
        """Those of LoRA adapters: load, unload, list."""
        return UPDATES

    async def engine_update(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Loads or unloads a LoRA adapter, or lists them.

        Raises:
            InvalidArgument: It cannot be done; the message says why.
            EngineShutdown: The engine has ended.
        """
        if self._closing.is_set():
            raise EngineShutdown("the llama-cpp engine is not running")
        return await self._adapters.update(name, body)

    async def health_check_payload(self) -> dict[str, Any] | None:
        """A request for one token."""
        model, _ = self._started()
        return {
            "token_ids": [model.bos_token or 0],
            "stop_conditions": {"max_tokens": 1},
            "sampling_options": {"temperature": 0.0},
        }

    async def supported_controls(self) -> List[str]:
        """Those that an operator has, see `Controls`."""
        return self._controls.names

    async def validate_engine_control(self, name: str, body: Mapping[str, Any]) -> None:
        """Looks at a body for which the worker would leave discovery.

        Raises:
            InvalidArgument: The control would not accept it.
        """
        self._controls.validate(name, body)

    async def engine_control(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Performs a control.

        Raises:
            InvalidArgument: There is none of that name, or its body is not accepted.
        """
        return await self._controls(name, body)

    async def let_go(self) -> None:
        """Gives the memory of weights and KV cache back to the system; there are no requests."""
        async with self._changing:
            self._settled.clear()
            await self._run_down()

    async def take_back(self) -> None:
        """Loads what `let_go` gave back.

        Raises:
            DynamoError: It cannot be loaded; the engine is as it was.
            EngineShutdown: It has ended, or ends meanwhile.
        """
        async with self._changing:
            if self._step_loop is None and not self._closing.is_set():
                await self._run_down()
                try:
                    await self._run_up(None)
                except DynamoError:
                    if not self._closing.is_set():
                        raise
            self._started()

    async def cleanup(self) -> None:
        """Ends the step loop and frees the model; may be called again, and after a failed start."""
        self._closing.set()
        async with self._changing:
            await self._run_down()
            self._settled.set()

    async def _run_down(self) -> None:
        self._adapters.serve(None)
        # From now on no request begins, nor does one that is being prepared.
        preparation, self._preparation = self._preparation, None
        if self._step_loop is not None:
            await asyncio.to_thread(self._step_loop.stop)
        if preparation is not None:
            await preparation.close()
        if self._loading is not None:
            # Who waited for it may have been cancelled.
            await asyncio.wait([self._loading])
            if not self._loading.cancelled() and self._loading.exception() is None:
                self._loaded = self._loading.result()
        if self._loaded is not None:
            await asyncio.to_thread(self._loaded.close)
        self._loading = self._step_loop = self._loaded = None

    @property
    def load(self) -> Load:
        """What the engine is busy with; all zero while it is not running."""
        # Asked by any thread, while it falls asleep too.
        step_loop = self._step_loop
        if step_loop is None:
            return Load(steps=0, running=0, waiting=0, free_slots=0)
        return step_loop.load

    def _caches_prefixes(self, model: Model) -> bool:
        return self._options.prefix_caching and model.keeps_prefixes

    def _proceed(
        self, progress: Progress | None, message: str, fraction: float | None = None
    ) -> bool:
        """Called while the model is fetched and loaded; False makes that give up."""
        if progress is not None:
            progress(message, fraction)
        return not self._closing.is_set()

    @property
    def _file(self) -> ModelFile:
        return self._source.file

    def _started(self) -> tuple[Model, StepLoop]:
        if (
            self._loaded is None
            or self._step_loop is None
            or self._preparation is None
            or self._closing.is_set()
        ):
            raise EngineShutdown("the llama-cpp engine is not running")
        return self._loaded.model, self._step_loop
