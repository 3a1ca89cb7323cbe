//! An engine that was written for the reference's crate, `dynamo-backend-common`, as one for a worker
//! that was compiled elsewhere: [`ReferenceEngine`] implements the trait of the crate `dynamo-engine`
//! around any `Arc<dyn dynamo_backend_common::LLMEngine>`.
//!
//! Requests and chunks cross as what `dynamo-engine` has for them. What has no field there crosses as
//! JSON of Dynamo's own types, which are the same in this library and in the worker: both are of the
//! same release of Dynamo.
//!
//! Not taken over, as their types live in one library only: `on_endpoint_ready` and the updates (they
//! publish to discovery themselves), `setup_metrics`, and KV events that an engine pushes.

#![warn(missing_docs)]

mod config;
mod engine;
mod error;
mod in_flight;
pub mod log;
mod output;
mod request;
mod sources;

pub use engine::ReferenceEngine;
pub use error::kind;
