//! Serves an LLM engine as a production worker of NVIDIA Dynamo.
//!
//! An engine author implements [`LLMEngine`] and hands it to a [`Worker`]: the worker starts the
//! engine, registers it in discovery, serves it, publishes its metrics and KV events, and hands
//! over on SIGTERM or SIGINT without cutting a stream, within a deadline.
//!
//! | to read about | see |
//! |---|---|
//! | what an engine implements | [`LLMEngine`], [`RequestContext`], [`EngineConfig`] |
//! | configuring a worker | [`WorkerConfig`], [`RuntimeConfig`] |
//! | running it | [`Worker`], [`Shutdown`], [`Report`] |
//! | running several in one process | [`run_all`] |
//! | an OpenAI frontend in the same process | [`Frontend`] |
//! | prefill and decode in two workers | [`disaggregation`] |
//! | metrics, KV events, load | [`metrics`], [`publish`] |
//! | tests of an engine | `testing`, behind the feature of that name |
//! | tracing | [`trace`], [`RequestContext::trace_headers`] |
//! | errors | [`error`] |

mod adapter_cards;
mod admission;
pub mod chunk;
pub mod config;
mod controls;
mod credentials;
mod deadline;
mod descendants;
pub mod disaggregation;
mod discovery;
mod engine;
mod engine_config;
pub mod engines;
pub mod error;
mod exit;
mod forked;
mod frontend;
mod guarded;
mod health;
mod home;
mod hosts;
pub mod metrics;
mod nodelay;
pub mod process;
pub mod publish;
mod run;
mod runtimes;
mod serve;
mod shutdown;
mod signals;
mod state;
mod system;
mod tainted_card;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;
mod turns;
mod worker;

pub use adapter_cards::{AdapterCards, CardChanges};
pub use config::{DisaggregationMode, RuntimeConfig, WorkerConfig};
pub use deadline::DEADLINE_EXIT_CODE;
pub use descendants::adopt_orphans;
pub use dynamo_backend_lifecycle::Report;
pub use dynamo_backend_lifecycle::canary::HEALTH_CHECK_KEY;
pub use dynamo_llm::protocols::common::FinishReason;
pub use dynamo_llm::protocols::common::llm_backend::{LLMEngineOutput, TopLogprob};
pub use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
pub use dynamo_protocols::types::{CompletionUsage, StopReason};
pub use dynamo_runtime::Runtime;
pub use dynamo_runtime::component::Endpoint;
pub use dynamo_runtime::error::DynamoError;
/// The release of Dynamo's crates that are linked.
pub use dynamo_runtime::pipeline::network::ingress::push_endpoint::VERSION as DYNAMO_VERSION;
pub use engine::{
    EngineStream, LLMEngine, MetricsBindings, MetricsContext, OnPublisherReady, RequestContext,
    RequestMetadata, is_probe,
};
pub use engine_config::EngineConfig;
pub use exit::before_exit;
pub use frontend::Frontend;
pub use run::{Hold, Run};
pub use shutdown::Shutdown;
pub use signals::{EarlySignals, FORCED_EXIT_CODE, keep_handlers};
pub use state::{OnState, WorkerState};
pub use worker::Worker;
pub use worker::together::{WhenOneEnds, run_all};
