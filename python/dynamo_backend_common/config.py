"""What a worker is configured with, and what an engine says about itself.

Plain frozen dataclasses: nothing is checked here. ``Worker(engine, config)`` checks all of it and
raises `InvalidArgument` that names the field and the value. Choices may be in upper or lower case.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ._core import config_fields

ModelInput: TypeAlias = Literal["Tokens", "Text", "Tensor"]
"""What the engine consumes: tokens, or requests as clients send them (`RawEngine`)."""

DisaggregationMode: TypeAlias = Literal["Aggregated", "Prefill", "Decode", "Encode", "agg"]
"""The worker's part in serving; ``agg`` is short for ``Aggregated``."""

StructuralTagMode: TypeAlias = Literal["Off", "On"]
"""Whether guided decoding uses structural tags."""

StructuralTagScope: TypeAlias = Literal["Auto", "Always"]
"""When structural tags are used."""

StructuralTagSchema: TypeAlias = Literal["Auto", "Strict"]
"""Which schema a structural tag enforces."""

StructuralTagReasoningBoundary: TypeAlias = Literal["Auto", "StructuralTag", "Backend"]
"""Who sees where reasoning ends before a structural tag."""

ThinkingMode: TypeAlias = Literal["enabled", "disabled"]
"""Whether a model thinks before it answers."""

DiscoveryBackend: TypeAlias = Literal["etcd", "kubernetes", "file", "mem"]
"""Where workers and frontends find each other."""

RequestPlane: TypeAlias = Literal["tcp", "nats"]
"""How requests travel."""

ResponsePlane: TypeAlias = Literal["tcp", "quic"]
"""How answers travel."""

EventPlane: TypeAlias = Literal["nats", "zmq"]
"""How events travel."""

# What Dynamo's runtime reads when it is built; all else is the worker's own.
_RUNTIME = ("discovery_backend", "request_plane", "response_plane", "event_plane")

# Dynamo's own `Worker`, in a program that has one, waits as long.
_WRITTEN = (*_RUNTIME, "shutdown_timeout_seconds")

_VARIABLES = {row.name: row.variable for row in config_fields()}


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeConfig:
    """Where a worker finds the rest of Dynamo, its budgets of time, and its system server.

    For a field that is None its environment variable counts, and without that the default, which
    stands last in the list below.

    The runtime reads discovery and planes when it is built, so a worker that finds a runtime in its
    process ignores these four fields, with one warning. All workers of a process share discovery,
    planes and the system server: if several run at once, one may set them for all, or all set them
    alike. A worker that is served later uses the system server that is there.

    Attributes:
        discovery_backend: ``etcd``, ``kubernetes``, ``file`` or ``mem``
            (``DYN_DISCOVERY_BACKEND``).
        request_plane: ``tcp`` or ``nats`` (``DYN_REQUEST_PLANE``).
        response_plane: ``tcp`` or ``quic``, the same as at the frontends (``DYN_RESPONSE_PLANE``).
        event_plane: ``nats`` or ``zmq`` (``DYN_EVENT_PLANE``); None and no variable: the
            runtime's choice, ``zmq``.
        grace_period_seconds: How long a shutdown goes on serving what frontends still send
            (``DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS``); 5, or 0 with ``mem`` discovery.
        shutdown_timeout_seconds: How long waiting, drain and cleanup may take together, in whole
            seconds (``DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT``); 30.
        prefill_drain_seconds: For how long a prefill engine is asked whether it is quiescent
            (``DYN_PREFILL_DRAIN_TIMEOUT_S``); 30.
        sleep_drain_seconds: How long requests in flight may take before an engine is put to sleep
            (``DYN_SLEEP_DRAIN_TIMEOUT_SECS``); 30.
        decode_keep_seconds: How long a decode worker keeps a stopped request that has no token yet
            (``DYN_DECODE_KEEP_TIMEOUT_SECS``); 60.
        connect_timeout_seconds: How long the worker goes on trying to connect; 0: one attempt
            (``DYN_CONNECT_TIMEOUT_SECS``); 150.
        system_port: Port of the system server; 0: any free one, negative: none
            (``DYN_SYSTEM_PORT``); -1.
        system_host: Its address (``DYN_SYSTEM_HOST``); ``127.0.0.1``.
        system_live_path: Path of its liveness probe (``DYN_SYSTEM_LIVE_PATH``); ``/live``.
        system_health_path: Path of its readiness probe (``DYN_SYSTEM_HEALTH_PATH``); ``/health``.
        system_token: What engine controls require, as ``Authorization: Bearer TOKEN``
            (``DYN_SYSTEM_TOKEN``); nothing. It is not shown.
        health_check_enabled: Whether the engine is probed when no request has finished for a while
            (``DYN_HEALTH_CHECK_ENABLED``); no.
        canary_wait_seconds: Time without a finished request after which the engine is probed, in
            whole seconds (``DYN_CANARY_WAIT_TIME``); 10.
        health_check_timeout_seconds: How long a probe may take, in whole seconds
            (``DYN_HEALTH_CHECK_REQUEST_TIMEOUT``); 3.
    """

    discovery_backend: DiscoveryBackend | None = None
    request_plane: RequestPlane | None = None
    response_plane: ResponsePlane | None = None
    event_plane: EventPlane | None = None
    grace_period_seconds: float | None = None
    shutdown_timeout_seconds: int | None = None
    prefill_drain_seconds: float | None = None
    sleep_drain_seconds: float | None = None
    decode_keep_seconds: float | None = None
    connect_timeout_seconds: float | None = None
    system_port: int | None = None
    system_host: str | None = None
    system_live_path: str | None = None
    system_health_path: str | None = None
    system_token: str | None = field(default=None, repr=False)
    health_check_enabled: bool | None = None
    canary_wait_seconds: int | None = None
    health_check_timeout_seconds: int | None = None

    def apply_to_env(self) -> None:
        """Writes every set field that Dynamo's runtime reads to its environment variable.

        These are discovery, planes and ``shutdown_timeout_seconds``. The worker does it by itself
        for the runtime that it builds; call it where a program of yours builds the runtime.
        """
        for name in _WRITTEN:
            value: str | int | None = getattr(self, name)
            if value is not None:
                os.environ[_VARIABLES[name]] = str(value)

    def has_overrides(self) -> bool:
        """Whether a field is set that the runtime reads when it is built."""
        return any(getattr(self, name) is not None for name in _RUNTIME)


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
        model_input: What the engine consumes: ``Tokens``, or of a `RawEngine` ``Text`` or
            ``Tensor``. At its default it is what the engine says.
        endpoint_types: Comma-separated. With ``Tokens``: ``chat``, ``completions``; with ``Text``
            also ``embedding``, ``images``, ``videos``, ``audios``, ``classify``, ``pooling``,
            ``rerank``; with ``Tensor``: ``tensor``.
        custom_jinja_template: Path of a chat template that replaces the model's.
        tool_call_parser: Name of the parser of tool calls, for the frontend.
        reasoning_parser: Name of the parser of reasoning, for the frontend.
        default_thinking_mode: Whether the model thinks when a request does not say; None: what its
            chat template does by itself.
        exclude_tools_when_tool_choice_none: Whether tools are left out of the prompt where a
            request's tool choice is none.
        enable_local_indexer: Whether the worker indexes its KV blocks itself, for routers that have
            missed events of it; always off on an encode worker, which has none.
        enable_kv_routing: Whether KV events and snapshots are published.
        kv_state_endpoint: Whose KV events the worker's are, ``NAMESPACE.COMPONENT.ENDPOINT``, where
            another endpoint owns the KV cache. None: the endpoint that is served.
        metrics_labels: (name, value) pairs that are added to the endpoint's metrics.
        disaggregation_mode: ``Aggregated`` (or ``agg``), ``Prefill``, ``Decode`` or ``Encode``.
        route_to_encoder: Whether requests with media come by way of an encode worker, which the
            model is then not served without; of an aggregated or a prefill worker.
        media_decoder: Which media a frontend decodes before it sends a request, and within which
            limits, as ``{"image": {"limits": {"max_image_width": 4096}}}``; what it decoded, a
            worker reads by RDMA (NIXL). None: requests have the media's URLs.
        media_fetcher: How a frontend fetches them: ``user_agent``, ``allow_direct_ip``,
            ``allow_direct_port``, ``allow_private_ips``, ``allowed_media_domains``,
            ``timeout_seconds``. What is left out, and None, is Dynamo's default.
        health_check_payload: Request of the health canary. None: ``DYN_HEALTH_CHECK_PAYLOAD``,
            else the engine's.
        max_concurrent_requests: Requests that the engine has at a time; more wait for their turn,
            in the order in which they came. None: ``DYN_ENGINE_REQUEST_LIMIT``, else any number.
        max_queued_requests: Requests that may wait; more are refused with the error on which a
            frontend tries another worker. None: ``DYN_DYNAMO_REQUEST_QUEUE_LIMIT``, else 16.
        max_queued_seconds: Seconds that a request may wait before it is refused like that. None:
            ``DYN_REQUEST_QUEUE_TIMEOUT_SECS``, else any time.
        structural_tag_mode: Whether guided decoding uses structural tags.
        structural_tag_scope: When they are used.
        structural_tag_schema: Which schema they enforce.
        structural_tag_with_structured_output: Whether tool calls are allowed beside a structured
            output.
        structural_tag_exclude_special_tokens: Whether special tokens are kept out of them. None:
            the frontend decides.
        structural_tag_reasoning_boundary: Who sees where reasoning ends: the tag itself
            (``StructuralTag``), the engine (``Backend``), or what the engine says of itself.
        structural_tag_arguments_any_order: Whether a tool's arguments may come in any order.
        runtime: Discovery, planes, budgets of time and the system server.
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
    default_thinking_mode: ThinkingMode | None = None
    exclude_tools_when_tool_choice_none: bool = True
    enable_local_indexer: bool = True
    enable_kv_routing: bool = True
    kv_state_endpoint: str | None = None
    metrics_labels: tuple[tuple[str, str], ...] = ()
    disaggregation_mode: DisaggregationMode = "Aggregated"
    route_to_encoder: bool = False
    media_decoder: Mapping[str, Any] | None = None
    media_fetcher: Mapping[str, Any] | None = None
    health_check_payload: Mapping[str, Any] | None = None
    max_concurrent_requests: int | None = None
    max_queued_requests: int | None = None
    max_queued_seconds: float | None = None
    structural_tag_mode: StructuralTagMode = "Off"
    structural_tag_scope: StructuralTagScope = "Auto"
    structural_tag_schema: StructuralTagSchema = "Auto"
    structural_tag_with_structured_output: bool = False
    structural_tag_exclude_special_tokens: bool | None = None
    structural_tag_reasoning_boundary: StructuralTagReasoningBoundary = "Auto"
    structural_tag_arguments_any_order: bool = False
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
        model_aliases: Further names under which frontends serve the model. All workers of a model
            need the same, in the same order: frontends leave those aside that differ.
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
        enable_eagle: KV events come from speculative decoding by Eagle, of which a block's hash is
            made of pairs of tokens: routers then hash prompts like that.
        runtime_data: JSON values that only this kind of engine knows.
    """

    model: str
    served_model_name: str | None = None
    model_aliases: Sequence[str] = ()
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
    enable_eagle: bool = False
    runtime_data: Mapping[str, Any] = field(default_factory=dict)
