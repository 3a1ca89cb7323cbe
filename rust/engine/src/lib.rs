//! An LLM engine in Rust that a worker of Dynamo loads: compiled by itself, by any compiler and with
//! any tokio, and with no dependency on Dynamo.
//!
//! An engine implements [`Engine`]; [`export`] makes of it what a worker takes, and
//! [`export_engine!`] a function of a library that does so. This one answers with the prompt:
//!
//! ```
//! use dynamo_engine::{Answer, Engine, EngineConfig, Error, Finish, Host, Request};
//!
//! struct Echo;
//!
//! impl Engine for Echo {
//!     async fn start(&self, _host: Host, _worker_id: u64) -> Result<EngineConfig, Error> {
//!         Ok(EngineConfig::new("echo"))
//!     }
//!     async fn generate(&self, request: &Request, answer: &mut Answer) -> Result<Finish, Error> {
//!         let most = request.max_tokens().unwrap_or(u32::MAX) as usize;
//!         for &token in request.token_ids().iter().take(most) {
//!             answer.token(token).await?;
//!         }
//!         Ok(Finish::stop())
//!     }
//!     async fn cleanup(&self) -> Result<(), Error> {
//!         Ok(())
//!     }
//! }
//!
//! dynamo_engine::export_engine!(|_arguments: &str| Ok(Echo));
//! ```
//!
//! | to read about | see |
//! |---|---|
//! | what an engine implements | [`Engine`], [`EngineConfig`] |
//! | what is asked, and answering | [`Request`], [`Answer`], [`Chunk`], [`Finish`] |
//! | the log, KV events, load, LoRA cards | [`Host`], [`log!`], [`KvEventSource`], [`StoredBlock`], [`Snapshot`] |
//! | errors | [`Error`], [`ErrorKind`] |
//! | handing it to a worker | [`export`], [`Export`], [`export_engine!`]; `python::capsule` (feature `python`) |
//! | what lies beneath | the crate `dynamo-engine-abi`, here as [`abi`] |
//!
//! # Threads and runtimes
//!
//! An engine's futures are polled by the worker's threads, and a task of the worker's waits for them.
//! Wakers work across: whatever wakes a future, from any thread, has the worker poll it. What needs
//! tokio, as its timers and sockets do, is polled inside a runtime of the engine's own that
//! [`Export::on`] is given (feature `tokio`). Nothing may block: what takes long belongs into a thread
//! or task of the engine's.
//!
//! # Panics
//!
//! One in a function of the engine's ends that call, or that answer, with an error; the worker goes on.
//! That needs `panic = "unwind"`, which is the default: with `abort` a panic ends the worker.
//!
//! # Forks
//!
//! A forked child has none of the worker's threads: an engine calls nothing of its [`Host`] there.

#![warn(missing_docs)]

mod answer;
mod chunk;
mod config;
mod door;
mod engine;
mod error;
mod export;
mod host;
mod metrics;
mod publish;
#[cfg(feature = "python")]
pub mod python;
mod request;
mod runtime;
mod slot;
mod symbol;

pub use answer::Answer;
pub use chunk::{Chunk, Finish, FinishReason, StopReason, TopLogprob, Usage};
pub use config::{EngineConfig, WorkerSettings};
/// The interface that a worker sees.
pub use dynamo_engine_abi as abi;
pub use engine::Engine;
pub use error::{Error, ErrorKind};
pub use export::{Export, Exported, export};
pub use host::{Host, Level};
pub use metrics::{Metrics, MetricsContext};
pub use publish::{KvEventSource, Published, Snapshot, StoredBlock, StoredBlocks};
pub use request::{Request, RequestKey};
pub use serde_json;

#[doc(hidden)]
pub use symbol::{maker, new_engine};
