//! Holds a stream to its contract: one terminal item, last.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::protocols::annotated::Annotated;
use dynamo_runtime::protocols::maybe_error::MaybeError;
use futures::{FutureExt, Stream};
use tokio_util::sync::{DropGuard, WaitForCancellationFutureOwned};

use super::adapter::cut_off;
use crate::admission::Admitted;
use crate::context::RequestContext;
use crate::engine::EngineStream;
use crate::error::{BackendError, backend};

/// The stream of one request as the runtime reads it. It ends at the first terminal item, tells
/// the context of the first token, and adds the terminal item that an engine left out.
pub(super) struct RequestStream {
    /// `None` once the terminal item was read: the engine's stream is dropped with it.
    engine: Option<EngineStream>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    context: RequestContext,
    saw_token: bool,
    engine_name: Arc<str>,
    _monitor: DropGuard,
    _admitted: Admitted,
}

impl RequestStream {
    pub(super) fn new(
        engine: EngineStream,
        context: RequestContext,
        admitted: Admitted,
        monitor: DropGuard,
        engine_name: Arc<str>,
    ) -> Self {
        Self {
            engine: Some(engine),
            cut: Box::pin(admitted.cut_token().cancelled_owned()),
            context,
            saw_token: false,
            engine_name,
            _monitor: monitor,
            _admitted: admitted,
        }
    }

    fn end(&mut self, cx: &mut Context<'_>) {
        let engine = self.engine.take();
        if cfg!(debug_assertions)
            && let Some(mut engine) = engine
            && let Poll::Ready(Some(_)) = engine.as_mut().poll_next(cx)
        {
            tracing::error!(
                request_id = self.context.id(),
                engine = &*self.engine_name,
                "the engine yielded an item after the terminal one, which must be last"
            );
        }
    }

    fn fail(&mut self, error: DynamoError) -> Poll<Option<Annotated<LLMEngineOutput>>> {
        self.engine = None;
        Poll::Ready(Some(Annotated::from_err(error)))
    }

    /// The engine ended its stream without a terminal item.
    fn incomplete(&mut self) -> Poll<Option<Annotated<LLMEngineOutput>>> {
        if self.context.is_stopped() {
            self.engine = None;
            return Poll::Ready(Some(Annotated::from_data(LLMEngineOutput::cancelled())));
        }
        let message = format!(
            "{} ended the stream without a terminal chunk; the last chunk must have a \
             finish_reason",
            self.engine_name
        );
        tracing::error!(request_id = self.context.id(), "{message}");
        self.fail(backend(BackendError::StreamIncomplete, message))
    }
}

impl Stream for RequestStream {
    type Item = Annotated<LLMEngineOutput>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(engine) = this.engine.as_mut() else {
            return Poll::Ready(None);
        };
        match engine.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                if !this.saw_token && !chunk.token_ids.is_empty() {
                    this.saw_token = true;
                    this.context.notify_first_token();
                }
                if chunk.finish_reason.is_some() {
                    this.end(cx);
                }
                Poll::Ready(Some(Annotated::from_data(chunk)))
            }
            Poll::Ready(Some(Err(error))) => this.fail(error),
            Poll::Ready(None) => this.incomplete(),
            Poll::Pending => match this.cut.poll_unpin(cx) {
                Poll::Ready(()) => this.fail(cut_off()),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

#[cfg(test)]
mod tests;
