//! The kinds of engines, as the request path has them: what they are asked, and what they answer with.

use std::fmt::Debug;

use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::{PreprocessedRequest, TraceLink};
use dynamo_runtime::error::DynamoError;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::handover::Handover;
use crate::chunk;
use crate::engine::{LLMEngine, RequestContext};
use crate::guarded_raw::GuardedRaw;
use crate::trace::Traced;

/// The items of one answer.
pub(super) type Items<I> = BoxStream<'static, Result<I, DynamoError>>;

/// The stream that an engine answers with, when it does.
pub(super) type Answered<'a, I> = BoxFuture<'a, Result<Items<I>, DynamoError>>;

/// An engine that requests are given to.
pub(crate) trait Serves: Send + Sync + 'static {
    /// What it is asked.
    type Request: DeserializeOwned + Debug + Send + Sync + 'static;
    /// What it answers with, piece by piece.
    type Item: Item;

    fn engine_name(&self) -> String;
    fn answer(&self, request: Self::Request, context: RequestContext) -> Answered<'_, Self::Item>;
    fn stop(&self, context: RequestContext) -> BoxFuture<'_, ()>;
    /// What a trace says of a request.
    fn traced(request: &Self::Request) -> Traced<'_>;

    /// The data-parallel rank that a router chose for it.
    fn routed_rank(_request: &Self::Request) -> Option<u32> {
        None
    }
}

/// A piece of an answer.
pub(crate) trait Item:
    Serialize + DeserializeOwned + Debug + Send + Sync + Unpin + 'static
{
    /// Whether the last one says that it is the last. Without that an answer ends where its stream
    /// does.
    const SAYS_END: bool;

    /// As a chunk of tokens, where it is one.
    fn as_output(&self) -> Option<&LLMEngineOutput> {
        None
    }

    /// Why it is the last one, where it says so.
    fn ending(&self) -> Option<&FinishReason> {
        self.as_output()?.finish_reason.as_ref()
    }

    /// The last one of a request that was stopped, where the last one says so.
    fn cancelled() -> Option<Self> {
        None
    }

    fn has_tokens(&self) -> bool {
        self.as_output()
            .is_some_and(|chunk| !chunk.token_ids.is_empty())
    }

    /// Has the worker that goes on with the request say where it came from.
    fn link(&mut self, _span: TraceLink) {}

    /// Whether something may be appended.
    fn may_grow(&self) -> bool {
        false
    }

    /// Appends `next`; answers it where it cannot be appended without loss.
    fn append(&mut self, next: Self) -> Result<(), Box<Self>> {
        Err(Box::new(next))
    }

    /// Of a prefill: the first item of its answer, once this completes it.
    fn completing(
        self,
        _handover: &mut Handover,
        _engine: &str,
    ) -> Option<Result<Self, DynamoError>> {
        Some(Ok(self))
    }
}

impl<E: LLMEngine + ?Sized> Serves for E {
    type Request = PreprocessedRequest;
    type Item = LLMEngineOutput;

    fn engine_name(&self) -> String {
        self.name()
    }

    fn answer(&self, request: Self::Request, context: RequestContext) -> Answered<'_, Self::Item> {
        self.generate(request, context)
    }

    fn stop(&self, context: RequestContext) -> BoxFuture<'_, ()> {
        self.abort(context)
    }

    fn traced(request: &Self::Request) -> Traced<'_> {
        Traced::of_tokens(request)
    }

    fn routed_rank(request: &Self::Request) -> Option<u32> {
        request.routing.as_ref()?.dp_rank
    }
}

impl Item for LLMEngineOutput {
    const SAYS_END: bool = true;

    fn as_output(&self) -> Option<&LLMEngineOutput> {
        Some(self)
    }

    fn cancelled() -> Option<Self> {
        Some(LLMEngineOutput::cancelled())
    }

    fn link(&mut self, span: TraceLink) {
        self.worker_trace_link = Some(span);
    }

    fn may_grow(&self) -> bool {
        self.finish_reason.is_none() && chunk::is_usual(self)
    }

    fn append(&mut self, next: Self) -> Result<(), Box<Self>> {
        chunk::append(self, next)
    }

    fn completing(
        self,
        handover: &mut Handover,
        engine: &str,
    ) -> Option<Result<Self, DynamoError>> {
        handover.with(self, engine)
    }
}

impl Serves for GuardedRaw {
    type Request = Value;
    type Item = Value;

    fn engine_name(&self) -> String {
        self.name().to_owned()
    }

    fn answer(&self, request: Value, context: RequestContext) -> Answered<'_, Value> {
        self.generate(request, context).boxed()
    }

    fn stop(&self, context: RequestContext) -> BoxFuture<'_, ()> {
        self.abort(context).boxed()
    }

    fn traced(request: &Value) -> Traced<'_> {
        Traced::raw(request["model"].as_str().unwrap_or_default())
    }
}

impl Item for Value {
    const SAYS_END: bool = false;
}
