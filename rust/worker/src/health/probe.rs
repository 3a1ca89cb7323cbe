//! Answers the canary's probes, which are JSON, with the same `generate` as traffic.

use std::sync::Arc;

use async_trait::async_trait;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::engine::{
    AsyncEngine, AsyncEngineContext, AsyncEngineContextProvider, ResponseStream,
};
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::pipeline::{Error, ManyOut, SingleIn};
use dynamo_runtime::protocols::annotated::Annotated;
use dynamo_runtime::protocols::maybe_error::MaybeError;
use futures::{StreamExt, stream};
use serde_json::Value;

use super::Readiness;
use crate::error::unknown;
use crate::serve::EngineAdapter;

/// The endpoint's local engine, which only the canary calls.
///
/// The runtime's canary cannot be stopped. While the worker is out of service, asleep or shutting
/// down, a probe is answered well without the engine, which is a pause.
pub(crate) struct ProbeEngine {
    adapter: Arc<EngineAdapter>,
    readiness: Arc<Readiness>,
}

impl ProbeEngine {
    pub(crate) fn new(adapter: Arc<EngineAdapter>, readiness: Arc<Readiness>) -> Self {
        Self { adapter, readiness }
    }

    /// The engine's first answer; nobody wants the rest.
    async fn ask(&self, probe: SingleIn<Value>) -> Result<Annotated<Value>, Error> {
        let mut unfinished = Unfinished(Some(probe.context()));
        let request = probe.try_map(serde_json::from_value::<PreprocessedRequest>)?;
        let mut answers = self.adapter.probe(request).await?;
        let first = answers
            .next()
            .await
            .ok_or_else(|| unknown("the engine answered the probe with nothing"))?;
        let is_last = |chunk: &LLMEngineOutput| chunk.finish_reason.is_some();
        if first.data.as_ref().is_none_or(is_last) {
            unfinished.0 = None;
        }
        Ok(as_json(first))
    }
}

/// A probe that is stopped when it is dropped, as one whose client left: after its first answer,
/// at the end of the runtime's patience, or when the worker goes out of service.
struct Unfinished(Option<Arc<dyn AsyncEngineContext>>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(probe) = &self.0 {
            probe.stop_generating();
        }
    }
}

#[async_trait]
impl AsyncEngine<SingleIn<Value>, ManyOut<Annotated<Value>>, Error> for ProbeEngine {
    async fn generate(&self, probe: SingleIn<Value>) -> Result<ManyOut<Annotated<Value>>, Error> {
        let context = probe.context();
        let answer = tokio::select! {
            biased;
            () = self.readiness.canary_pauses() => Annotated::from_data(Value::Null),
            answer = self.ask(probe) => answer?,
        };
        let answers = stream::once(std::future::ready(answer));
        Ok(ResponseStream::new(Box::pin(answers), context))
    }
}

/// An error inside a chunk makes the probe unhealthy like any other.
fn as_json(item: Annotated<LLMEngineOutput>) -> Annotated<Value> {
    if let Some(error) = item.data.as_ref().and_then(MaybeError::err) {
        return Annotated::from_err(error);
    }
    let data = item.data.as_ref().map(serde_json::to_value).transpose();
    match data {
        Ok(data) => item.transfer(data),
        Err(error) => Annotated::from_err(DynamoError::msg(format!("chunk as JSON: {error}"))),
    }
}
