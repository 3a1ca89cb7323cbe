//! An engine as what serves requests.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dynamo_backend_lifecycle::canary::Vitals;
use dynamo_llm::first_token::{FirstTokenNotifier, FirstTokenSource};
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::engine::{AsyncEngine, AsyncEngineContextProvider, ResponseStream};
use dynamo_runtime::pipeline::{Error, ManyOut, SingleIn};
use dynamo_runtime::protocols::annotated::Annotated;
use futures::{TryStreamExt, stream};

use super::cancel::watch;
use super::in_flight::{InFlight, Request, given_up};
use super::measure::Measure;
use super::relayed::Relayed;
use super::terminal::RequestStream;
use crate::admission::{Admission, Admitted};
use crate::config::DisaggregationMode;
use crate::engine::{EngineStream, LLMEngine, RequestContext};
use crate::error::{DynamoError, ErrorClass};
use crate::metrics::RequestMetrics;
use crate::trace;
use crate::turns::{Turn, Turns};

/// Serves the runtime's requests with an engine.
pub(crate) struct EngineAdapter {
    engine: Arc<dyn LLMEngine>,
    engine_name: Arc<str>,
    admission: Admission,
    mode: DisaggregationMode,
    /// How long a decode that was stopped is kept for its first token.
    decode_keep: Duration,
    turns: Turns,
    /// Tells routers of first tokens, where the worker's mode has them told.
    first_tokens: Option<FirstTokenSource>,
    metrics: Option<RequestMetrics>,
    /// Of an engine that is probed.
    vitals: Option<Arc<Vitals>>,
}

impl EngineAdapter {
    pub(crate) fn new(
        engine: Arc<dyn LLMEngine>,
        admission: Admission,
        mode: DisaggregationMode,
        decode_keep: Duration,
        metrics: Option<RequestMetrics>,
        vitals: Option<Arc<Vitals>>,
    ) -> Self {
        Self {
            engine_name: engine.name().into(),
            engine,
            admission,
            mode,
            decode_keep,
            turns: Turns::default(),
            first_tokens: None,
            metrics,
            vitals,
        }
    }

    /// The engine has so many requests at a time.
    pub(crate) fn with_turns(mut self, turns: Turns) -> Self {
        self.turns = turns;
        self
    }

    /// Tells routers when the first token of a request is there.
    pub(crate) fn with_first_tokens(mut self, source: Option<FirstTokenSource>) -> Self {
        self.first_tokens = source;
        self
    }

    pub(super) fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Has the engine answer a request that came where it was `admitted`, or to a worker that admits
    /// nobody.
    ///
    /// # Errors
    ///
    /// The request is refused, or the engine answers it with an error in the place of a stream.
    pub(crate) async fn open(
        &self,
        request: SingleIn<PreprocessedRequest>,
        admitted: Option<Admitted>,
    ) -> Result<RequestStream, DynamoError> {
        let (admitted, turn) = self.admit(admitted).inspect_err(|_| {
            if let Some(metrics) = &self.metrics {
                metrics.refused();
            }
        })?;
        self.serve(request, admitted, turn).await
    }

    /// A turn, or a place among those that wait for one.
    fn admit(&self, admitted: Option<Admitted>) -> Result<(Admitted, Turn), DynamoError> {
        // In this order: a worker that is closed says that, and no other is asked for a place.
        let admitted = admitted.ok_or_else(unavailable)?;
        match self.turns.ask() {
            Ok(turn) => Ok((admitted, turn)),
            Err(full) => {
                admitted.refuse();
                Err(full)
            }
        }
    }

    async fn serve(
        &self,
        request: SingleIn<PreprocessedRequest>,
        admitted: Admitted,
        turn: Turn,
    ) -> Result<RequestStream, DynamoError> {
        let runtime_context = request.context();
        let metadata = request.metadata().clone();
        let (request, _) = request.into_parts();
        let (trace, span) = trace::begin(&request, runtime_context.id());
        let router = self.prefill_completion(&request, runtime_context.id());
        let mut context = RequestContext::new(runtime_context, metadata)
            .with_trace(trace)
            .telling_the_router(router);
        if self.mode == DisaggregationMode::Decode {
            context = context.keep_until_first_token(self.decode_keep);
        }
        let mut measure = Measure::begin(self.metrics.clone(), span, request.token_ids.len());
        let in_flight = InFlight::new(admitted);

        // Started before `generate`, so that a request stopped while the engine thinks is aborted.
        watch(
            in_flight.share(),
            context.clone(),
            self.engine.clone(),
            self.admission.clone(),
        );
        let mut asked = Box::pin(ask(
            turn,
            in_flight.share(),
            self.engine.clone(),
            request,
            context.clone(),
        ));
        // A frontend drops what has no answer yet when the instance leaves.
        let stream = tokio::select! {
            biased;
            () = in_flight.over() => Err(in_flight.why_over()),
            stream = &mut asked => stream,
            () = self.admission.answers_at_once() => Ok(later(asked)),
        };
        if let Err(error) = stream.and_then(|stream| in_flight.open(stream)) {
            measure.failed(&error);
            return Err(error);
        }
        let name = self.engine_name.clone();
        let mut stream = RequestStream::new(in_flight, context, name, measure);
        if let Some(vitals) = &self.vitals {
            stream = stream.showing(vitals.clone());
        }
        if self.mode == DisaggregationMode::Prefill {
            stream = stream.handing_over();
        }
        Ok(stream)
    }
}

impl EngineAdapter {
    /// Tells the router that chose a rank for the request when its prompt is computed.
    fn prefill_completion(
        &self,
        request: &PreprocessedRequest,
        id: &str,
    ) -> Option<FirstTokenNotifier> {
        let dp_rank = request.routing.as_ref()?.dp_rank;
        FirstTokenNotifier::for_request(None, self.first_tokens.as_ref(), id, dp_rank)
    }
}

#[async_trait]
impl AsyncEngine<SingleIn<PreprocessedRequest>, ManyOut<Annotated<LLMEngineOutput>>, Error>
    for EngineAdapter
{
    async fn generate(
        &self,
        request: SingleIn<PreprocessedRequest>,
    ) -> Result<ManyOut<Annotated<LLMEngineOutput>>, Error> {
        let context = request.context();
        let unanswered = self.admission.unanswered();
        let stream = self.open(request, self.admission.enter()).await?;
        drop(unanswered);
        let answer = Relayed::new(stream);
        Ok(ResponseStream::new(Box::pin(answer), context))
    }
}

/// Has the engine answer when the request's turn comes. Owned, as its stream may be waited for
/// after the answer has begun.
async fn ask(
    turn: Turn,
    waiting: Arc<Request>,
    engine: Arc<dyn LLMEngine>,
    request: PreprocessedRequest,
    context: RequestContext,
) -> Result<EngineStream, DynamoError> {
    let turn = turn.come().await.inspect_err(|_| waiting.refuse())?;
    if !waiting.begin() {
        return Err(given_up());
    }
    let stream = engine.generate(request, context).await?;
    Ok(turn.with(stream))
}

/// The stream that `asked` will answer with.
fn later(
    asked: impl Future<Output = Result<EngineStream, DynamoError>> + Send + 'static,
) -> EngineStream {
    Box::pin(stream::once(asked).try_flatten())
}

/// The error of a request that arrives after the worker began to refuse.
fn unavailable() -> DynamoError {
    DynamoError::builder()
        .class(ErrorClass::WorkerUnavailable)
        .message("the worker sleeps or shuts down, and takes no requests")
        .build()
}

#[cfg(test)]
mod tests;
