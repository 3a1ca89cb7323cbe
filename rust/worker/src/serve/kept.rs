//! A decode whose reader left before its first token: the KV transfer of its prefill still needs a
//! receiver, so the engine goes on up to that token.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::consume_budget;

use super::in_flight::InFlight;
use super::kind::Item;
use crate::engine::RequestContext;

/// Reads the engine's stream in the reader's place, and lets it go with its first token.
pub(super) fn read_to_first_token<I: Item>(
    request: InFlight<I>,
    context: RequestContext,
    engine_name: Arc<str>,
) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    runtime.spawn(async move {
        let token = async {
            while let Some(Ok(chunk)) = poll_fn(|cx| request.poll(&engine_name, cx)).await {
                if chunk.has_tokens() || chunk.ending().is_some() {
                    break;
                }
                consume_budget().await;
            }
        };
        tokio::select! {
            () = token => context.notify_first_token(),
            () = context.first_token() => {}
        }
    });
}
