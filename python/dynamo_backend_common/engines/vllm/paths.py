"""The ways by which tokens come from vLLM's engine core, and which of them a release allows."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any, Protocol

from ...exceptions import InvalidArgument
from .by_generate import ByGenerate
from .by_socket import BySocket
from .by_steps import BySteps
from .statistics import Statistics

if TYPE_CHECKING:
    from ..._core import RequestContext, Steps, StepStream
    from .call import Call

logger = logging.getLogger(__name__)

TOKEN_PATHS = ("auto", "socket", "steps", "generate")
"""Values of ``--token-path``; the first is its default."""

_PAST_THE_OUTPUT_PROCESSOR: dict[str, type[BySteps]] = {"socket": BySocket, "steps": BySteps}

# What steps need of vLLM beside its public interface: methods, with the arguments that they get.
_METHODS = {
    "input_processor.process_inputs": (
        "request_id",
        "prompt",
        "params",
        "supported_tasks",
        "lora_request",
        "trace_headers",
        "priority",
        "data_parallel_rank",
    ),
    "input_processor.assign_request_id": (),
    "engine_core.add_request_async": (),
    "engine_core.get_output_async": (),
    "engine_core.abort_requests_async": (),
    "output_processor.update_scheduler_stats": (),
    "logger_manager.record": ("engine_idx", "scheduler_stats", "iteration_stats", "mm_cache_stats"),
}
# And of what its engine core gets and sends: the fields that are written or read.
_FIELDS = {
    "EngineCoreRequest": ("reasoning_ended", "reasoning_parser_kwargs"),
    "EngineCoreOutputs": ("engine_index", "outputs", "scheduler_stats", "timestamp"),
    "EngineCoreOutput": (
        "request_id",
        "new_token_ids",
        "new_logprobs",
        "new_prompt_logprobs_tensors",
        "finish_reason",
        "stop_reason",
        "kv_transfer_params",
        "prefill_stats",
    ),
}


class TokenPath(Protocol):
    """One of the ways."""

    async def serve(self, call: Call, lora_request: Any, context: RequestContext) -> StepStream:
        """Has vLLM serve a request; the stream gets its output.

        Raises:
            InvalidArgument: vLLM does not accept it.
        """

    async def run(self) -> None:
        """Moves output until it is cancelled; raises when vLLM can make no more."""

    async def abort_unwanted(self) -> None:
        """Has vLLM let go of what nobody wants any more."""

    def close(self) -> None:
        """Ends it; its streams are somebody else's to end."""


async def choose_path(asked: str, llm: Any, steps: Steps, *, counts_requests: bool) -> TokenPath:
    """Takes the way that was asked for, or the best that there is, and says which in the log.

    Args:
        asked: One of `TOKEN_PATHS`.
        llm: vLLM's ``AsyncLLM``, which has started, and of which no request runs.
        steps: Takes the output.
        counts_requests: Whether vLLM's statistics count requests, or the load alone.

    Raises:
        InvalidArgument: The way that was asked for is none with this vLLM.
    """
    # The answer tells also that the engine core's messages arrive.
    tasks = await llm.get_supported_tasks()
    why = "as asked" if asked != "auto" else "the best there is"
    for name, kind in _PAST_THE_OUTPUT_PROCESSOR.items():
        if asked not in {"auto", name}:
            continue
        try:
            path = await _made(kind, llm, steps, tasks, counts_requests=counts_requests)
        except InvalidArgument as error:
            if asked == name:
                raise InvalidArgument(f"--token-path {name}: {error}") from error
            why = f"as it cannot be by the {name}: {error}"
        else:
            logger.info("tokens come by the engine core's %s, %s", name, why)
            return path
    logger.warning(
        "tokens come by vLLM's public generate, %s: a task for each request, and several times the"
        " processor time",
        why,
    )
    return ByGenerate(llm, steps)


async def _made(
    kind: type[BySteps], llm: Any, steps: Steps, tasks: Any, *, counts_requests: bool
) -> TokenPath:
    try:
        lacking = _lacking(llm)
        if lacking is not None:
            raise InvalidArgument(f"this release of vLLM has no {lacking}")
        statistics = Statistics(llm, per_request=counts_requests)
        return await kind.begin(llm, steps, statistics, tasks)
    except (ImportError, AttributeError, TypeError) as error:
        raise InvalidArgument(f"this release of vLLM is none that is known: {error}") from error


def _lacking(llm: Any) -> str | None:
    """What steps need and this release has not."""
    from vllm.v1 import engine

    for struct, fields in _FIELDS.items():
        for field in fields:
            if field not in getattr(engine, struct).__struct_fields__:
                return f"{field} of {struct}"
    for path, arguments in _METHODS.items():
        owner, _, name = path.partition(".")
        holder = getattr(llm, owner, None)
        if holder is None and owner == "logger_manager":
            # Without statistics there is nobody to tell.
            continue
        method = getattr(holder, name, None)
        if method is None:
            return path
        parameters = inspect.signature(method).parameters
        for argument in arguments:
            if argument not in parameters:
                return f"{argument} of {path}"
    return None
