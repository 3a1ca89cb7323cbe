//! What publishing answers.

use std::sync::Arc;

use dynamo_llm::first_token::FirstTokenSource;
use serde_json::Value;

use crate::controls::Controls;
use crate::metrics::RequestMetrics;

/// A worker that can be served.
pub(super) struct Published {
    pub(super) controls: Arc<Controls>,
    pub(super) request_metrics: RequestMetrics,
    /// What tells routers of first tokens; `None` where nothing else is published for them, and on a
    /// prefill worker.
    pub(super) first_tokens: Option<FirstTokenSource>,
    /// The payload of the health canary, where there is one.
    pub(super) canary: Option<Value>,
}
