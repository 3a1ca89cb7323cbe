//! Holds a stream to its contract: one terminal item, last.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dynamo_backend_lifecycle::canary::Vitals;
use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_runtime::error::DynamoError;
use futures::Stream;

use super::encoded::missing;
use super::handover::Handover;
use super::in_flight::{InFlight, Request};
use super::kept::read_to_first_token;
use super::kind::Item;
use super::measure::Measure;
use crate::chunk;
use crate::engine::RequestContext;
use crate::error::{BackendError, backend};

/// The stream of one request as its answer is written from. It joins chunks that are ready together,
/// ends at the first terminal item, tells the context of the first token, and adds the terminal item
/// that an engine left out.
pub(crate) struct RequestStream<I: Item = LLMEngineOutput> {
    request: Arc<Request<I>>,
    /// Taken when it is dropped.
    owned: Option<InFlight<I>>,
    context: RequestContext,
    saw_item: bool,
    saw_token: bool,
    /// Read already, and no part of the chunk before it.
    ahead: Option<Read<I>>,
    /// Of a prefill, until its first item is out.
    handover: Option<Handover>,
    /// Its last item has what was encoded.
    encodes: bool,
    /// The terminal item was read.
    ended: bool,
    engine_name: Arc<str>,
    measure: Measure,
    /// Of an engine that is probed.
    vitals: Option<Arc<Vitals>>,
}

/// What the engine's stream gave; `None` is its end.
type Read<I> = Option<Result<I, DynamoError>>;

impl<I: Item> RequestStream<I> {
    pub(super) fn new(
        request: InFlight<I>,
        context: RequestContext,
        engine_name: Arc<str>,
        measure: Measure,
    ) -> Self {
        Self {
            request: request.share(),
            owned: Some(request),
            context,
            saw_item: false,
            saw_token: false,
            ahead: None,
            handover: None,
            encodes: false,
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

    /// Of an encode worker: an end without a result is an error.
    pub(super) fn encoding(mut self) -> Self {
        self.encodes = true;
        self
    }

    /// Appends to `joined` what is ready behind it, without waiting for anything.
    fn join_what_is_ready(&mut self, joined: &mut I, cx: &mut Context<'_>) {
        if !joined.may_grow() {
            return;
        }
        for _ in 1..chunk::MOST {
            if joined.ending().is_some() {
                return;
            }
            let Poll::Ready(read) = self.request.poll(&self.engine_name, cx) else {
                return;
            };
            self.ahead = match read {
                Some(Ok(next)) => match joined.append(next) {
                    Ok(()) => continue,
                    Err(next) => Some(Some(Ok(*next))),
                },
                other => Some(other),
            };
            return;
        }
    }

    /// Has the worker that goes on with the request say where it came from.
    fn link(&self, item: &mut I) {
        if let Some(trace) = self.context.trace() {
            item.link(trace.link());
        }
    }

    /// Whether its last item was read.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Resolves when nobody reads any more.
    pub(super) fn over(&self) -> impl Future<Output = ()> + Send + use<I> {
        let request = self.request.clone();
        async move { request.over().await }
    }

    pub(super) fn context(&self) -> &RequestContext {
        &self.context
    }

    fn end(&mut self, cx: &mut Context<'_>) {
        self.ended = true;
        if cfg!(debug_assertions)
            && I::SAYS_END
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

    /// The engine showed that it is well.
    fn answered(&self) {
        if let Some(vitals) = &self.vitals {
            vitals.answered();
        }
    }

    fn fail(&mut self, error: DynamoError) -> Poll<Read<I>> {
        self.ended = true;
        self.measure.failed(&error);
        self.request.finish(self.context.is_stopped());
        Poll::Ready(Some(Err(error)))
    }

    /// The engine ended its stream, and no item said so before.
    fn exhausted(&mut self, cx: &mut Context<'_>) -> Poll<Read<I>> {
        if self.context.is_stopped() {
            self.ended = true;
            self.request.finish(true);
            let last = I::cancelled();
            if let Some(last) = &last {
                self.measure.item(last);
            }
            return Poll::Ready(last.map(Ok));
        }
        let missing = match (I::SAYS_END, self.saw_item) {
            (true, _) => "a terminal chunk; the last chunk must have a finish_reason",
            (false, false) => "an answer; it must yield one chunk at least",
            (false, true) => {
                self.measure.ended();
                self.answered();
                self.end(cx);
                return Poll::Ready(None);
            }
        };
        let message = format!("{} ended the stream without {missing}", self.engine_name);
        tracing::error!(request_id = self.context.id(), "{message}");
        self.fail(backend(BackendError::StreamIncomplete, message))
    }
}

impl<I: Item> Stream for RequestStream<I> {
    type Item = Result<I, DynamoError>;

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
                None => return this.exhausted(cx),
            };
            this.join_what_is_ready(&mut chunk, cx);
            if let Some(handover) = &mut this.handover {
                match chunk.completing(handover, &this.engine_name) {
                    None => continue,
                    Some(Ok(first)) => chunk = first,
                    Some(Err(error)) => {
                        tracing::error!(request_id = this.context.id(), "{}", error.message());
                        return this.fail(error);
                    }
                }
            }
            let encoded = this.encodes && chunk.ending().is_some();
            let output = chunk.as_output().filter(|_| encoded);
            if let Some(error) = output.and_then(|chunk| missing(chunk, &this.engine_name)) {
                tracing::error!(request_id = this.context.id(), "{}", error.message());
                return this.fail(error);
            }
            this.saw_item = true;
            let is_first_token = !this.saw_token && chunk.has_tokens();
            if is_first_token {
                this.saw_token = true;
                this.context.notify_first_token();
            }
            // What is handed over, whatever else it has: the worker that goes on is sent what is in it.
            if this.handover.take().is_some() || encoded || is_first_token {
                this.link(&mut chunk);
            }
            this.measure.item(&chunk);
            if let Some(reason) = chunk.ending() {
                // What was stopped or failed shows nothing.
                if !matches!(reason, FinishReason::Error(_) | FinishReason::Cancelled) {
                    this.answered();
                }
                this.end(cx);
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
    }
}

impl<I: Item> Drop for RequestStream<I> {
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
