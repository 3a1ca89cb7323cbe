"""The engine: requests become sequences of the step loop, which pushes their output."""

from __future__ import annotations

import dataclasses
import logging
import sys
from typing import TYPE_CHECKING, Any, Self

from ..._core import Steps
from ...config import EngineConfig, WorkerConfig
from ...exceptions import EngineShutdown, InvalidArgument
from ...publish import MetricsBindings, PushKvEvents
from .adapters.given import given_adapters
from .adapters.registry import UPDATES, Adapters
from .cache.kv_reports import DP_RANK, KvReports
from .cache.prefix_cache import PrefixCache
from .cache.without_beginning import WithoutBeginning
from .files.chat_template import endpoint_types
from .files.model_source import ModelSource
from .lifecycle import Lifecycle
from .loaded import Loaded, load
from .metrics import metrics_text
from .options import Options, parse_options
from .pooling.engine import LlamaCppPooling
from .request.beginning import with_beginning
from .request.generation import read_request
from .request.preparation import Preparation
from .steps.load import Load
from .steps.scheduler import Scheduler
from .steps.sequence import Sequence
from .steps.step_loop import StepLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Sequence as List

    from ..._core import AdapterCards, RequestContext, StepStream
    from ...publish import MetricsContext
    from .binding.model import Model
    from .files.model_file import ModelFile

logger = logging.getLogger(__name__)


class LlamaCpp(Lifecycle[Loaded, StepLoop]):
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
        super().__init__(Options.of(options))
        if self._options.embeddings or self._options.reranking:
            raise InvalidArgument(
                "LlamaCpp has no embeddings and no reranking: LlamaCppPooling has"
            )
        self._adapters = Adapters(given_adapters(self._options), self._options.max_loras)
        draft = self._options.model_draft
        self._draft_source = None if draft is None else ModelSource(draft, None)
        self._steps = Steps()
        self._kv_reports = KvReports()
        self._preparation: Preparation | None = None

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

    def _config(self, loaded: Loaded) -> EngineConfig:
        model, block_size = loaded.model, self._options.kv_cache_block_size
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

    def _begin(self, loaded: Loaded) -> StepLoop:
        model = loaded.model
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
            speculation=loaded.speculation(),
        )
        self._preparation = Preparation(model)
        # Those of a loop that has ended take no more.
        self._steps = Steps()
        step_loop = StepLoop(scheduler, self._steps, self._kv_reports)
        step_loop.start()
        self._adapters.serve(step_loop)
        return step_loop

    def _load(self, proceed: Callable[..., bool]) -> Loaded:
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
        loaded, step_loop = self._started()
        model = loaded.model
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
        if self._started()[0] is not loaded:
            # What was prepared is of a vocabulary that was freed.
            raise EngineShutdown("the llama-cpp engine slept meanwhile")
        self._adapters.require(generation.adapter)
        stream = self._steps.open(context)
        step_loop.submit(Sequence(generation, stream.id), stream)
        return stream

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
        loaded, _ = self._started()
        if not self._caches_prefixes(loaded.model):
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
            raise self._not_running()
        return await self._adapters.update(name, body)

    async def health_check_payload(self) -> dict[str, Any] | None:
        """A request for one token."""
        loaded, _ = self._started()
        return {
            "token_ids": [loaded.model.bos_token or 0],
            "stop_conditions": {"max_tokens": 1},
            "sampling_options": {"temperature": 0.0},
        }

    async def _run_down(self) -> None:
        self._adapters.serve(None)
        await super()._run_down()

    async def _join(self) -> None:
        if self._preparation is not None:
            await self._preparation.close()
            self._preparation = None

    @property
    def load(self) -> Load:
        """What the engine is busy with; all zero while it is not running."""
        # Asked by any thread, while it falls asleep too.
        step_loop = self._loop
        if step_loop is None:
            return Load(steps=0, running=0, waiting=0, free_slots=0)
        return step_loop.load

    def _caches_prefixes(self, model: Model) -> bool:
        return self._options.prefix_caching and model.keeps_prefixes

    @property
    def _file(self) -> ModelFile:
        return self._source.file
