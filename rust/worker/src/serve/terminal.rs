//! Holds a stream to its contract: one terminal item, last.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dynamo_backend_lifecycle::canary::Vitals;
use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_runtime::error::DynamoError;
use futures::Stream;

use super::handover::Handover;
use super::in_flight::{InFlight, Request};
use super::kept::read_to_first_token;
use super::measure::Measure;

use crate::chunk;
use crate::engine::RequestContext;
use crate::error::{BackendError, backend};

/// The stream of one request as its answer is written from. It joins chunks that are ready together,
/// ends at the first terminal item, tells the context of the first token, and adds the terminal item
/// that an engine left out.
pub(crate) struct RequestStream {
    request: Arc<Request>,
    /// Taken when it is dropped.
    owned: Option<InFlight>,
    context: RequestContext,
    saw_token: bool,
    /// Read already, and no part of the chunk before it.
    ahead: Option<Read>,
    /// Of a prefill, until its first item is out.
    handover: Option<Handover>,
    /// The terminal item was read.
    ended: bool,
    engine_name: Arc<str>,
    measure: Measure,
    /// Of an engine that is probed.
    vitals: Option<Arc<Vitals>>,
}

/// What the engine's stream gave; `None` is its end.
type Read = Option<Result<LLMEngineOutput, DynamoError>>;

impl RequestStream {
    pub(super) fn new(
        request: InFlight,
        context: RequestContext,
        engine_name: Arc<str>,
        measure: Measure,
    ) -> Self {
        Self {
            request: request.share(),
            owned: Some(request),
            context,
            saw_token: false,
            ahead: None,
            handover: None,
            ended: false,
            engine_name,
            measure,
            vitals: None,
        }
    }

    /// Of an engine whose answers are signs of its health.
    pub(super) fn showing(mut self, vitals: Arc<Vitals>) -> Self {
        self.vitals = Some(vitals);
        self
    }

    /// Of a prefill: holds its first item back until it has what is handed over.
    pub(super) fn handing_over(mut self) -> Self {
        self.handover = Some(Handover::default());
        self
    }

    /// Appends to `joined` what is ready behind it, without waiting for anything.
    fn join_what_is_ready(&mut self, joined: &mut LLMEngineOutput, cx: &mut Context<'_>) {
        if !chunk::is_usual(joined) {
            return;
        }
        for _ in 1..chunk::MOST {
            if joined.finish_reason.is_some() {
                return;
            }
            let Poll::Ready(read) = self.request.poll(&self.engine_name, cx) else {
                return;
            };
            self.ahead = match read {
                Some(Ok(next)) => match chunk::append(joined, next) {
                    Ok(()) => continue,
                    Err(next) => Some(Some(Ok(*next))),
                },
                other => Some(other),
            };
            return;
        }
    }

    /// Has the worker that goes on with the request say where it came from.
    fn link(&self, chunk: &mut LLMEngineOutput) {
        if let Some(trace) = self.context.trace() {
            chunk.worker_trace_link = Some(trace.link());
        }
    }

    /// Whether its last item was read.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Resolves when nobody reads any more.
    pub(super) fn over(&self) -> impl Future<Output = ()> + Send + use<> {
        let request = self.request.clone();
        async move { request.over().await }
    }

    pub(super) fn context(&self) -> &RequestContext {
        &self.context
    }

    fn end(&mut self, cx: &mut Context<'_>) {
        self.ended = true;
        if cfg!(debug_assertions)
            && let Poll::Ready(Some(_)) = self.request.poll(&self.engine_name, cx)
            && !self.request.is_over()
        {
            tracing::error!(
                request_id = self.context.id(),
                engine = &*self.engine_name,
                "the engine yielded an item after the terminal one, which must be last"
            );
        }
        self.request.finish(self.context.is_stopped());
    }

    fn fail(&mut self, error: DynamoError) -> Poll<Read> {
        self.ended = true;
        self.measure.failed(&error);
        self.request.finish(self.context.is_stopped());
        Poll::Ready(Some(Err(error)))
    }

    /// The engine ended its stream without a terminal item.
    fn incomplete(&mut self) -> Poll<Read> {
        if self.context.is_stopped() {
            self.ended = true;
            self.request.finish(self.context.is_stopped());
            let last = LLMEngineOutput::cancelled();
            self.measure.chunk(&last);
            return Poll::Ready(Some(Ok(last)));
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
    type Item = Result<LLMEngineOutput, DynamoError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        loop {
            let read = match this.ahead.take() {
                Some(read) => read,
                None => std::task::ready!(this.request.poll(&this.engine_name, cx)),
            };
            let mut chunk = match read {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => return this.fail(error),
                None => return this.incomplete(),
            };
            this.join_what_is_ready(&mut chunk, cx);
            if let Some(handover) = &mut this.handover {
                match handover.with(chunk, &this.engine_name) {
                    None => continue,
                    Some(Ok(first)) => chunk = first,
                    Some(Err(error)) => {
                        tracing::error!(request_id = this.context.id(), "{}", error.message());
                        return this.fail(error);
                    }
                }
                this.handover = None;
                // Whatever it has: the decode worker is sent what is in this one.
                this.link(&mut chunk);
            }
            if !this.saw_token && !chunk.token_ids.is_empty() {
                this.saw_token = true;
                this.context.notify_first_token();
                this.link(&mut chunk);
            }
            this.measure.chunk(&chunk);
            if let Some(reason) = &chunk.finish_reason {
                // What was stopped or failed shows nothing.
                let is_answer = !matches!(reason, FinishReason::Error(_) | FinishReason::Cancelled);
                if let Some(vitals) = this.vitals.as_ref().filter(|_| is_answer) {
                    vitals.answered();
                }
                this.end(cx);
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
    }
}

impl Drop for RequestStream {
    fn drop(&mut self) {
        if self.ended || !self.context.is_kept() {
            return;
        }
        if let Some(request) = self.owned.take() {
            read_to_first_token(request, self.context.clone(), self.engine_name.clone());
        }
    }
}

#[cfg(test)]
mod tests;
