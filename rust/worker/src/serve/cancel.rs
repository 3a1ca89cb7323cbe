//! Tells the engine when a request is no longer wanted.

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::context::RequestContext;
use crate::engine::LLMEngine;

/// Watches one request until the answer is dropped, and calls `abort` if it is stopped or killed
/// before. With `after_first_token`, as on a decode worker, `abort` waits for the first token, so
/// that the KV transfer of a prefill peer finds its receiver.
pub(super) fn watch(
    engine: Arc<dyn LLMEngine>,
    context: RequestContext,
    after_first_token: bool,
) -> DropGuard {
    let ended = CancellationToken::new();
    let guard = ended.clone().drop_guard();
    tokio::spawn(async move {
        // Biased: a stream is often dropped because its request was stopped.
        tokio::select! {
            biased;
            _ = context.stopped() => {}
            _ = ended.cancelled() => return,
        }
        if after_first_token {
            tokio::select! {
                _ = context.first_token() => {}
                _ = ended.cancelled() => {}
            }
        }
        engine.abort(context).await;
    });
    guard
}
