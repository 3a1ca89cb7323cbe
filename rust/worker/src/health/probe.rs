//! Answers the canary's probes, which are JSON, with the same `generate` as traffic.

use std::sync::Arc;

use async_trait::async_trait;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::engine::{AsyncEngine, AsyncEngineContextProvider, ResponseStream};
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::pipeline::{Error, ManyOut, SingleIn};
use dynamo_runtime::protocols::annotated::Annotated;
use dynamo_runtime::protocols::maybe_error::MaybeError;
use futures::StreamExt;
use serde_json::Value;

use crate::serve::EngineAdapter;

pub(crate) struct ProbeEngine {
    adapter: Arc<EngineAdapter>,
}

impl ProbeEngine {
    pub(crate) fn new(adapter: Arc<EngineAdapter>) -> Self {
        Self { adapter }
    }
}

#[async_trait]
impl AsyncEngine<SingleIn<Value>, ManyOut<Annotated<Value>>, Error> for ProbeEngine {
    async fn generate(&self, probe: SingleIn<Value>) -> Result<ManyOut<Annotated<Value>>, Error> {
        let request = probe.try_map(serde_json::from_value::<PreprocessedRequest>)?;
        let stream = self.adapter.generate(request).await?;
        let context = stream.context();
        Ok(ResponseStream::new(Box::pin(stream.map(as_json)), context))
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
