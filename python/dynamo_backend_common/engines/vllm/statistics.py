"""vLLM's own statistics, for what does not pass through its output processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .call import Call


class Counted:
    """What vLLM's statistics keep of one request, under the names of its ``RequestState``."""

    __slots__ = (
        "external_req_id",
        "is_prefilling",
        "lora_name",
        "max_tokens_param",
        "n",
        "num_cached_tokens",
        "prompt_embeds",
        "prompt_len",
        "prompt_token_ids",
        "remote_prefill_cached_tokens",
        "request_id",
        "stats",
        "temperature",
        "top_p",
    )

    def __init__(self, call: Call, request: Any, stats: Any) -> None:
        params = call.params
        self.request_id: str = request.request_id
        self.external_req_id = call.request_id
        self.stats = stats
        self.lora_name = call.lora_name
        self.prompt_len = call.prompt_tokens
        self.prompt_token_ids = call.prompt["prompt_token_ids"]
        self.prompt_embeds = None
        self.max_tokens_param: int | None = request.sampling_params.max_tokens
        self.temperature = params.temperature
        self.top_p = params.top_p
        self.n = 1
        self.is_prefilling = True
        self.num_cached_tokens = 0
        details = call.prompt_tokens_details or {}
        self.remote_prefill_cached_tokens: int | None = details.get("cached_tokens")


class Statistics:
    """Tells vLLM's loggers of each step; without them it does nothing."""

    def __init__(self, llm: Any, *, per_request: bool) -> None:
        """Takes a vLLM that has started.

        Args:
            llm: vLLM's ``AsyncLLM``.
            per_request: Whether its requests are counted, or the load of its schedulers alone.
        """
        from vllm.v1.engine.parallel_sampling import ParentRequest
        from vllm.v1.metrics.stats import IterationStats, RequestStateStats

        self._llm = llm
        self._processor = llm.output_processor
        self._loras = llm.output_processor.lora_states
        self.per_request = per_request or self._processor.tracing_enabled
        self._new_iteration = IterationStats
        self._new_stats = RequestStateStats
        self._observe_finished = ParentRequest.observe_finished_request

    def count(self, call: Call, request: Any) -> Counted | None:
        """Begins to count a request that is about to be sent; None: nobody counts."""
        if not self.per_request:
            return None
        stats = self._new_stats(arrival_time=request.arrival_time)
        # Since 0.32.
        if hasattr(stats, "is_watermarked"):
            params = request.sampling_params
            stats.is_watermarked = bool(params.watermarking)
            stats.is_watermark_skipped = params._watermarking_skipped  # noqa: SLF001
        return Counted(call, request, stats)

    def iteration(self) -> Any:
        """The ``IterationStats`` of a step with outputs; None: nobody counts."""
        return self._new_iteration() if self.per_request else None

    def observe(self, output: Any, timestamp: float, counted: Counted, iteration: Any) -> None:
        """Counts a request's ``EngineCoreOutput`` of a step.

        Args:
            output: The output.
            timestamp: The step's, on the engine core's clock.
            counted: The request.
            iteration: The step's `iteration`.
        """
        iteration.update_from_output(
            output,
            timestamp,
            counted.is_prefilling,
            counted.stats,
            self._loras,
            counted.lora_name,
        )
        if counted.is_prefilling:
            counted.is_prefilling = False
            if output.prefill_stats is not None:
                counted.num_cached_tokens = output.prefill_stats.num_cached_tokens
            if counted.remote_prefill_cached_tokens is not None:
                counted.num_cached_tokens = counted.remote_prefill_cached_tokens
        if output.finish_reason is None:
            return
        iteration.update_from_finished_request(
            finish_reason=output.finish_reason,
            request_id=counted.external_req_id,
            num_prompt_tokens=counted.prompt_len,
            max_tokens_param=counted.max_tokens_param,
            req_stats=counted.stats,
            num_cached_tokens=counted.num_cached_tokens,
        )
        self.drop(counted)
        self._observe_finished(None, iteration, counted.stats.num_generation_tokens)
        if self._processor.tracing_enabled:
            self._processor.do_tracing(output, counted, iteration)

    def drop(self, counted: Counted | None) -> None:
        """Ends the count of a request that is aborted."""
        if counted is not None:
            self._loras.request_finished(counted.request_id, counted.lora_name)

    def record(self, rank: int, scheduler_stats: Any, iteration: Any) -> None:
        """Tells vLLM's loggers of a step."""
        manager = self._llm.logger_manager
        if manager is None:
            return
        self._processor.update_scheduler_stats(scheduler_stats)
        manager.record(
            engine_idx=rank,
            scheduler_stats=scheduler_stats,
            iteration_stats=iteration,
            mm_cache_stats=self._llm.renderer.stat_mm_cache(),
        )
