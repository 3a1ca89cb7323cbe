//! Tests for engines, without a worker and without a network.
//!
//! [`check_engine`] holds an engine to the contract between a worker and its engine;
//! [`check_shared_engine`] one that is there already, of whatever type.
//! [`collect`] serves one [`request`] as a worker does, and returns its chunks. A [`Client`] makes
//! the context of a request, for a test that calls `generate` by hand. [`record_kv_events`] holds
//! the KV events of an engine against each other.
//!
//! All of it is behind the feature `testing`:
//!
//! ```toml
//! [dev-dependencies]
//! dynamo-backend-worker = { version = "0.1", features = ["testing"] }
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use dynamo_backend_worker::engines::Echo;
//! use dynamo_backend_worker::testing::{check_engine, collect, request};
//! use dynamo_backend_worker::{DynamoError, FinishReason};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), DynamoError> {
//! // Panics with each check that failed, and how to mend it.
//! check_engine(|| Echo::new("echo", Duration::ZERO)).await.assert_passed();
//!
//! let engine = Arc::new(Echo::new("echo", Duration::ZERO));
//! let chunks = collect(engine.clone(), request([5, 6, 7]), None).await?;
//! let tokens: Vec<u32> = chunks.into_iter().flat_map(|chunk| chunk.token_ids).collect();
//! assert_eq!(tokens, [5, 6, 7]);
//!
//! let mut long = request(0..1000);
//! long.stop_conditions.max_tokens = None;
//! let chunks = collect(engine, long, Some(3)).await?;
//! let last = chunks.last().and_then(|chunk| chunk.finish_reason.clone());
//! assert_eq!(last, Some(FinishReason::Cancelled));
//! # Ok(())
//! # }
//! ```

mod asking;
mod check;
mod checking;
mod checks;
mod client;
mod finding;
mod kv_record;
mod life;
mod observed;
mod panics;
mod results;

pub use asking::{collect, request};
pub use checking::{EngineCheck, check_engine, check_names, check_shared_engine};
pub use client::Client;
pub use kv_record::{KvRecord, record_kv_events};
pub use results::{CheckResult, CheckResults, Outcome};

#[cfg(test)]
mod tests;
