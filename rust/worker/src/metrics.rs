//! What is counted of requests, the labels of a worker's metrics, and an engine's metrics as text.

mod engine_texts;
mod labels;
mod requests;

pub use engine_texts::{EngineText, EngineTexts};
pub(crate) use labels::of_worker;
pub(crate) use requests::RequestMetrics;
