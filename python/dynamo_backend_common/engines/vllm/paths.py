"""The ways by which tokens come from vLLM's engine core, and which of them a release allows."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any, Protocol

from ...exceptions import InvalidArgument
from .by_generate import ByGenerate
from .by_socket import BySocket
from .by_steps import BySteps

if TYPE_CHECKING:
    from ..._core import RequestContext, Steps, StepStream
    from .call import Call
    from .statistics import Statistics

logger = logging.getLogger(__name__)

TOKEN_PATHS = ("auto", "socket", "steps", "generate")
"""Values of ``--token-path``; the first is its default."""

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


class TokenPath(Protocol):
    """One of the ways."""

    async def serve(self, call: Call, lora_request: Any, context: RequestContext) -> StepStream:
        """Has vLLM serve a request; the stream gets its output.

        Raises:
            InvalidArgument: vLLM does not accept it.
        """

    async def run(self) -> None:
        """Moves output until it is cancelled; raises when vLLM can make no more."""

    async def look(self) -> None:
        """Has vLLM let go of what nobody wants any more."""

    def close(self) -> None:
        """Ends it; its streams are somebody else's to end."""


async def choose_path(asked: str, llm: Any, steps: Steps, statistics: Statistics) -> TokenPath:
    """Takes the way that was asked for, or the best that there is, and says which in the log.

    Args:
        asked: One of `TOKEN_PATHS`.
        llm: vLLM's ``AsyncLLM``, which has started, and of which no request runs.
        steps: Takes the output.
        statistics: Is told of each step.

    Raises:
        InvalidArgument: The way that was asked for is none with this vLLM.
    """
    # The answer tells also that the engine core's messages arrive.
    tasks = await llm.get_supported_tasks()
    lacking = _lacking(llm)
    why = "as asked" if asked != "auto" else "the best there is"
    if asked in {"auto", "socket"} and not lacking:
        try:
            path = await BySocket.begin(llm, steps, statistics, tasks)
        except InvalidArgument as error:
            if asked == "socket":
                raise InvalidArgument(f"--token-path socket: {error}") from None
            why = f"as the socket is not to be had: {error}"
        else:
            logger.info("tokens come by the engine core's socket, %s", why)
            return path
    if asked != "generate" and not lacking:
        logger.info("tokens come by the engine core's steps, %s", why)
        return BySteps(llm, steps, statistics, tasks)
    if lacking and asked in {"socket", "steps"}:
        raise InvalidArgument(f"--token-path {asked}: this release of vLLM has no {lacking}")
    logger.warning(
        "tokens come by vLLM's public generate, %s: a task for each request, and several times the"
        " processor time",
        f"as this release has no {lacking}" if lacking else why,
    )
    return ByGenerate(llm, steps)


def _lacking(llm: Any) -> str | None:
    """What steps need and this release has not."""
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
