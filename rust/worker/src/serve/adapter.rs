//! The runtime's view of an engine.

use std::sync::Arc;

use async_trait::async_trait;
use dynamo_backend_lifecycle::canary::Vitals;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::engine::{AsyncEngine, AsyncEngineContextProvider, ResponseStream};
use dynamo_runtime::pipeline::{Error, ManyOut, SingleIn};
use dynamo_runtime::protocols::annotated::Annotated;
use futures::{TryStreamExt, stream};

use super::cancel::Monitor;
use super::live::Live;
use super::measure::Measure;
use super::terminal::RequestStream;
use crate::admission::{Admission, Admitted};
use crate::config::DisaggregationMode;
use crate::context::RequestContext;
use crate::engine::{EngineStream, LLMEngine};
use crate::error::{BackendError, DynamoError, ErrorClass, backend};
use crate::metrics::RequestMetrics;
use crate::trace;

/// Serves the runtime's requests with an engine.
pub(crate) struct EngineAdapter {
    engine: Arc<dyn LLMEngine>,
    engine_name: Arc<str>,
    admission: Admission,
    mode: DisaggregationMode,
    metrics: Option<RequestMetrics>,
    /// Of an engine that is probed.
    vitals: Option<Arc<Vitals>>,
}

impl EngineAdapter {
    pub(crate) fn new(
        engine: Arc<dyn LLMEngine>,
        admission: Admission,
        mode: DisaggregationMode,
        metrics: Option<RequestMetrics>,
        vitals: Option<Arc<Vitals>>,
    ) -> Self {
        Self {
            engine_name: engine.name().into(),
            engine,
            admission,
            mode,
            metrics,
            vitals,
        }
    }

    async fn serve(
        &self,
        request: SingleIn<PreprocessedRequest>,
        admitted: Admitted,
    ) -> Result<ManyOut<Annotated<LLMEngineOutput>>, Error> {
        let runtime_context = request.context();
        let metadata = request.metadata().clone();
        let (request, _) = request.into_parts();
        let (trace, span) = trace::begin(&request, runtime_context.id());
        let mut context = RequestContext::new(runtime_context.clone(), metadata).with_trace(trace);
        if self.mode == DisaggregationMode::Decode {
            context = context.keep_until_first_token();
        }
        let mut measure = Measure::begin(self.metrics.clone(), span, request.token_ids.len());
        let live = Live::new(admitted);
        let cut = self.admission.cut_token();

        // Started before `generate`, so that a request stopped while the engine thinks is aborted.
        let monitor = Monitor {
            engine: self.engine.clone(),
            context: context.clone(),
            live: live.clone(),
            admission: self.admission.clone(),
        }
        .start();
        let unanswered = is_traffic.then(|| self.admission.asks_engine());
        let mut asked = Box::pin(ask(self.engine.clone(), request, context.clone()));
        let stream = tokio::select! {
            biased;
            () = cut.cancelled() => Err(cut_off()),
            stream = &mut asked => stream,
            // A frontend drops what has no answer yet when the instance leaves.
            () = self.admission.answers_at_once(), if is_traffic => Ok(later(asked)),
        };
        drop(unanswered);
        match stream {
            Ok(stream) => live.open(stream),
            Err(error) => {
                live.leave();
                measure.failed(&error);
                return Err(error.into());
            }
        }
        let name = self.engine_name.clone();
        let mut stream = RequestStream::new(live, context, monitor, name, measure);
        if let Some(vitals) = &self.vitals {
            stream = stream.showing(vitals.clone());
        }
        if self.mode == DisaggregationMode::Prefill {
            stream = stream.handing_over();
        }
        Ok(ResponseStream::new(Box::pin(stream), runtime_context))
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
        let admitted = self.admission.enter().ok_or_else(unavailable)?;
        self.serve(request, admitted).await
    }
}

/// Owned, as the engine's stream may be waited for after the answer has begun.
async fn ask(
    engine: Arc<dyn LLMEngine>,
    request: PreprocessedRequest,
    context: RequestContext,
) -> Result<EngineStream, DynamoError> {
    engine.generate(request, context).await
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

/// The error of a request that shutdown cuts: a frontend migrates it to another worker.
pub(super) fn cut_off() -> DynamoError {
    backend(
        BackendError::EngineShutdown,
        "the worker shut down before the request was finished",
    )
}

#[cfg(test)]
mod tests;
