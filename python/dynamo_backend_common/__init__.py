"""A production worker for NVIDIA Dynamo around an engine of yours, in Python or in Rust.

    Worker(MyEngine(), WorkerConfig(model_name="path/to/model")).run()

- `Worker` hosts one engine, from connecting to a clean shutdown; `WorkerState` says where it is,
  `Report` (`EndReason`, `ShutdownStage`, `StageFailure`) what happened.
- `run` and `serve` host several workers in one process.
- `WorkerConfig` and `RuntimeConfig` are what an operator configures; `EngineConfig` is what a
  started engine says about itself.
- `Engine` is the protocol that an engine meets, `LLMEngine` a base class for those who like one;
  `Request` and `Chunk` are the dicts that it takes and yields, `RequestContext` the identity and
  cancellation of a request. A request with `HEALTH_CHECK_KEY` is a probe.
- `ForeignEngine` is an object that hands over an engine in Rust, C or C++, `RustEngine` one in
  this package.
- `Prompt` reads what a request begins with, `GenerationOptions` how it wants its output made, with
  `GuidedDecoding`, what it is held to; `Unsupported` refuses what an engine does not have.
- `RawEngine` is a base class for engines of images, videos, speech and embeddings, which take
  requests as clients send them (`RawRequest`) and answer in JSON (`RawChunk`).
- `Steps` is for engines with a step loop: one call hands over the tokens of all requests.
- `Span` is a span of a request's trace, to which an engine adds what it knows.
- `RequestLogFilter` lets a program's own log say which request a line belongs to.
- `MetricsContext`, `MetricsBindings`, `EndpointMetrics`, `PushKvEvents`, `ZmqKvEvents` and the
  publishers are for engines that publish metrics and KV events of their own; the module
  `kv_events` has the types of what they publish.
- `AdapterCards` is for engines that load LoRA adapters while they serve.
- `prefill_request`, `prefill_chunk`, `require_prefill_result` and `require_bootstrap_info` are for
  engines that prefill in one worker and decode in another; see the module `disaggregation`.
- `encoder_chunk`, `encoder_result` and `require_encoder_result` are for engines whose media are
  encoded by another worker; see the module `encoding`.
- The module `testing` is for tests of engines, without a worker.
- `DynamoError` and its subclasses are the errors that Dynamo knows.

``python -m dynamo_backend_common serve module:attribute`` does the same from the command line.
"""

from ._core import (
    AdapterCards,
    KvPublisher,
    RequestContext,
    RustEngine,
    SnapshotPublisher,
    Span,
    StepReport,
    Steps,
    StepStream,
    TokenIds,
)
from ._log.request import RequestLogFilter
from .config import EngineConfig, RuntimeConfig, WorkerConfig
from .disaggregation import (
    BootstrapInfo,
    PrefillResult,
    bootstrap_info,
    prefill_chunk,
    prefill_request,
    prefill_result,
    require_bootstrap_info,
    require_prefill_result,
)
from .encoding import encoder_chunk, encoder_result, require_encoder_result
from .engine import Engine, ForeignEngine, LLMEngine, Progress
from .exceptions import (
    Cancelled,
    CannotConnect,
    ConnectionTimeout,
    Disconnected,
    DynamoError,
    EngineShutdown,
    InvalidArgument,
    ResponseTimeout,
    StreamIncomplete,
    Unknown,
)
from .generation_options import GenerationOptions, sampling_options
from .guided_decoding import GuidedDecoding
from .kv_events import BlockHash, KvEvent
from .messages import HEALTH_CHECK_KEY, Chunk, Request, Step
from .metrics import EndpointMetrics
from .prompt import Prompt
from .publish import MetricsBindings, MetricsContext, PushKvEvents, ZmqKvEvents
from .raw import RawChunk, RawEngine, RawRequest
from .report import EndReason, Report, ShutdownStage, StageFailure
from .state import WorkerState
from .together import run, serve
from .unsupported import Unsupported
from .worker import Worker

__all__ = [
    "HEALTH_CHECK_KEY",
    "AdapterCards",
    "BlockHash",
    "BootstrapInfo",
    "Cancelled",
    "CannotConnect",
    "Chunk",
    "ConnectionTimeout",
    "Disconnected",
    "DynamoError",
    "EndReason",
    "EndpointMetrics",
    "Engine",
    "EngineConfig",
    "EngineShutdown",
    "ForeignEngine",
    "GenerationOptions",
    "GuidedDecoding",
    "InvalidArgument",
    "KvEvent",
    "KvPublisher",
    "LLMEngine",
    "MetricsBindings",
    "MetricsContext",
    "PrefillResult",
    "Progress",
    "Prompt",
    "PushKvEvents",
    "RawChunk",
    "RawEngine",
    "RawRequest",
    "Report",
    "Request",
    "RequestContext",
    "RequestLogFilter",
    "ResponseTimeout",
    "RuntimeConfig",
    "RustEngine",
    "ShutdownStage",
    "SnapshotPublisher",
    "Span",
    "StageFailure",
    "Step",
    "StepReport",
    "StepStream",
    "Steps",
    "StreamIncomplete",
    "TokenIds",
    "Unknown",
    "Unsupported",
    "Worker",
    "WorkerConfig",
    "WorkerState",
    "ZmqKvEvents",
    "bootstrap_info",
    "encoder_chunk",
    "encoder_result",
    "prefill_chunk",
    "prefill_request",
    "prefill_result",
    "require_bootstrap_info",
    "require_encoder_result",
    "require_prefill_result",
    "run",
    "sampling_options",
    "serve",
]
