"""vLLM's configuration, and what of it this engine does not serve: refused before vLLM starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...exceptions import DynamoError, InvalidArgument
from .transfer import Transfer

if TYPE_CHECKING:
    from ...config import DisaggregationMode


def vllm_config(engine_args: Any, context: Any, mode: DisaggregationMode) -> Any:
    """The ``VllmConfig``, for which the model's own files are read.

    Args:
        engine_args: vLLM's ``AsyncEngineArgs``.
        context: vLLM's ``UsageContext``.
        mode: What the worker does: `WorkerConfig.disaggregation_mode`.

    Raises:
        InvalidArgument: vLLM does not accept its arguments, or this engine cannot serve it so.
    """
    try:
        config = engine_args.create_engine_config(context)
    except DynamoError:
        raise
    except (ValueError, TypeError, NotImplementedError, AssertionError, OSError) as error:
        raise InvalidArgument(f"vLLM does not accept its arguments: {error}") from None
    _refuse_several_nodes(config.parallel_config)
    _refuse_limits(config.scheduler_config)
    # Refuses a worker that prefills or decodes without a connector.
    Transfer(config, mode)
    return config


def _refuse_several_nodes(parallel: Any) -> None:
    asked = {
        "--nnodes": parallel.nnodes > 1,
        "--data-parallel-external-lb, or --data-parallel-rank": parallel.data_parallel_external_lb,
        "--data-parallel-hybrid-lb, or --data-parallel-start-rank": (
            parallel.data_parallel_hybrid_lb
        ),
        "--data-parallel-size-local": (
            parallel.data_parallel_size_local < parallel.data_parallel_size
        ),
        "--data-parallel-backend ray": parallel.data_parallel_backend != "mp",
        "--distributed-executor-backend ray": parallel.distributed_executor_backend == "ray",
    }
    for arguments, is_asked in asked.items():
        if is_asked:
            raise InvalidArgument(
                f"{arguments}: this engine serves a vLLM whose processes are all on this node; run"
                " a worker on each node, and have Dynamo's router balance among them"
            )


def _refuse_limits(scheduler: Any) -> None:
    # Those of vLLM's own server: its engine core knows of none.
    for name in ("max_num_queued_reqs", "max_num_queued_tokens"):
        if getattr(scheduler, name, None) is not None:
            raise InvalidArgument(
                f"--{name.replace('_', '-')}: it is vLLM's own server that keeps this limit; the"
                " worker has one of its own: DYN_ENGINE_REQUEST_LIMIT"
            )
