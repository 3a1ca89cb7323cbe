"""What a worker is configured with, and what an engine says about itself.

Plain frozen dataclasses: nothing is checked here. ``Worker(engine, config)`` checks all of it and
raises `InvalidArgument` that names the field and the value.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ._core import config_fields

ModelInput: TypeAlias = Literal["Tokens"] | str
"""What the engine consumes."""

DisaggregationMode: TypeAlias = Literal["Aggregated", "Prefill", "Decode"] | str
"""The worker's part in serving; also ``agg``, and any case."""

StructuralTagMode: TypeAlias = Literal["Off", "On"] | str
"""Whether guided decoding uses structural tags."""

StructuralTagScope: TypeAlias = Literal["Auto", "Always"] | str
"""When structural tags are used."""

StructuralTagSchema: TypeAlias = Literal["Auto", "Strict"] | str
"""Which schema a structural tag enforces."""

DiscoveryBackend: TypeAlias = Literal["etcd", "kubernetes", "file", "mem"] | str
"""Where workers and frontends find each other."""

RequestPlane: TypeAlias = Literal["tcp", "nats"] | str
"""How requests travel."""

EventPlane: TypeAlias = Literal["nats", "zmq"] | str
"""How events travel."""

_VARIABLES = {row.name: row.variable for row in config_fields() if row.owner == "RuntimeConfig"}


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeConfig:
    """Settings of Dynamo's runtime, each written to its environment variable.

    A field that is None leaves its variable as it was. The runtime reads the variables when it is
    built, so a worker that finds a runtime in its process ignores the fields, with one warning.

    Attributes:
        discovery_backend: ``etcd``, ``kubernetes``, ``file`` or ``mem``
            (``DYN_DISCOVERY_BACKEND``).
        request_plane: ``tcp`` or ``nats`` (``DYN_REQUEST_PLANE``).
        event_plane: ``nats`` or ``zmq`` (``DYN_EVENT_PLANE``); None and no variable: the
            runtime's choice, ``zmq``.
    """

    discovery_backend: DiscoveryBackend | None = None
    request_plane: RequestPlane | None = None
    event_plane: EventPlane | None = None

    def apply_to_env(self) -> None:
        """Writes every field that is set to its environment variable.

        The worker does it by itself; call it where a program of yours builds the runtime.
        """
        for name, variable in _VARIABLES.items():
            value: str | None = getattr(self, name)
            if value is not None:
                os.environ[variable] = value

    def has_overrides(self) -> bool:
        """Whether any field is set."""
        return any(getattr(self, name) is not None for name in _VARIABLES)


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerConfig:
    """How a worker presents its engine.

    Attributes:
        namespace: Discovery namespace.
        namespace_worker_suffix: Appended to the namespace with a hyphen: the generation of a
            rolling update. Workers of different cards are then in different namespaces, and a
            frontend that is given the prefix of both serves both. None: nothing is appended.
        component: Component in the namespace.
        endpoint: Endpoint that is served.
        model_name: Repository name on the hub, or a local path. Empty: a card with a name only,
            without tokenizer and template.
        served_model_name: Public name of the model. None: the engine's, else its model, else
            ``model_name``.
        model_input: What the engine consumes; ``Tokens``.
        endpoint_types: Comma-separated: ``chat``, ``completions``, ``prefill``. Dynamo's others,
            ``embedding`` and ``tensor``, are refused: an engine makes tokens.
        custom_jinja_template: Path of a chat template that replaces the model's.
        tool_call_parser: Name of the parser of tool calls, for the frontend.
        reasoning_parser: Name of the parser of reasoning, for the frontend.
        exclude_tools_when_tool_choice_none: Whether tools are left out of the prompt where a
            request's tool choice is none.
        enable_local_indexer: Whether the worker indexes its KV blocks itself; always off on a
            decode worker.
        enable_kv_routing: Whether KV events and snapshots are published.
        metrics_labels: (name, value) pairs that are added to the endpoint's metrics.
        disaggregation_mode: ``Aggregated`` (or ``agg``), ``Prefill`` or ``Decode``, in any case.
        health_check_payload: Request of the health canary. None: ``DYN_HEALTH_CHECK_PAYLOAD``,
            else the engine's.
        max_concurrent_requests: Requests that the engine has at a time; more wait for their turn,
            in the order in which they came. None: ``DYN_ENGINE_REQUEST_LIMIT``, else any number.
        max_queued_requests: Requests that may wait; more are refused with the error on which a
            frontend tries another worker. None: ``DYN_DYNAMO_REQUEST_QUEUE_LIMIT``, else 16.
        max_queued_seconds: For how many seconds one may wait before it is refused like that. None:
            ``DYN_REQUEST_QUEUE_TIMEOUT_SECS``, else any time.
        structural_tag_mode: Whether guided decoding uses structural tags.
        structural_tag_scope: When they are used.
        structural_tag_schema: Which schema they enforce.
        runtime: Settings of the runtime.
    """

    namespace: str = "dynamo"
    namespace_worker_suffix: str | None = None
    component: str = "backend"
    endpoint: str = "generate"
    model_name: str = ""
    served_model_name: str | None = None
    model_input: ModelInput = "Tokens"
    endpoint_types: str = "chat,completions"
    custom_jinja_template: str | None = None
    tool_call_parser: str | None = None
    reasoning_parser: str | None = None
    exclude_tools_when_tool_choice_none: bool = True
    enable_local_indexer: bool = True
    enable_kv_routing: bool = True
    metrics_labels: tuple[tuple[str, str], ...] = ()
    disaggregation_mode: DisaggregationMode = "Aggregated"
    health_check_payload: Mapping[str, Any] | None = None
    max_concurrent_requests: int | None = None
    max_queued_requests: int | None = None
    max_queued_seconds: float | None = None
    structural_tag_mode: StructuralTagMode = "Off"
    structural_tag_scope: StructuralTagScope = "Auto"
    structural_tag_schema: StructuralTagSchema = "Auto"
    runtime: RuntimeConfig = RuntimeConfig()

    @property
    def effective_namespace(self) -> str:
        """The discovery namespace: ``namespace``, and the suffix where there is one."""
        suffix = (self.namespace_worker_suffix or "").strip()
        return f"{self.namespace}-{suffix}" if suffix else self.namespace


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineConfig:
    """What a started engine says about itself. What is None is not advertised.

    Attributes:
        model: Canonical id of the model.
        served_model_name: Public name, unless the operator gave one.
        context_length: Tokens that prompt and output may have together.
        kv_cache_block_size: Tokens per KV block.
        total_kv_blocks: KV blocks of one data-parallel rank.
        max_num_seqs: Requests that run at once.
        max_num_batched_tokens: Tokens of one engine step.
        data_parallel_size: Number of data-parallel ranks of this worker; None means 1.
        data_parallel_start_rank: First of its data-parallel ranks; None means 0.
        bootstrap_host: Host of the disaggregation bootstrap server; only with the port.
        bootstrap_port: Port of the disaggregation bootstrap server; only with the host.
        max_gpu_lora_count: LoRA adapters that requests may use at once; None: none.
        runtime_data: JSON values that only this kind of engine knows.
    """

    model: str
    served_model_name: str | None = None
    context_length: int | None = None
    kv_cache_block_size: int | None = None
    total_kv_blocks: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    data_parallel_size: int | None = None
    data_parallel_start_rank: int | None = None
    bootstrap_host: str | None = None
    bootstrap_port: int | None = None
    max_gpu_lora_count: int | None = None
    runtime_data: Mapping[str, Any] = field(default_factory=dict)
