//! One request to an engine, and all that a client gets of it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_llm::protocols::common::{OutputOptions, SamplingOptions, StopConditions};
use dynamo_runtime::engine::{AsyncEngineContext, AsyncEngineContextProvider};
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::pipeline::SingleIn;
use futures::StreamExt;

use super::observed::{Observed, Yielded};
use super::panics::Panics;
use crate::admission::Admission;
use crate::config::DisaggregationMode;
use crate::engine::LLMEngine;
use crate::serve::EngineAdapter;

/// A whole request with these tokens as its prompt: greedy, and at most 8 tokens of answer. Its
/// fields are public, for a test that wants others.
pub fn request(token_ids: impl IntoIterator<Item = u32>) -> PreprocessedRequest {
    let token_ids: Vec<u32> = token_ids.into_iter().collect();
    PreprocessedRequest::builder()
        .model("test".to_owned())
        .token_ids(token_ids)
        .stop_conditions(StopConditions {
            max_tokens: Some(8),
            ..Default::default()
        })
        .sampling_options(SamplingOptions {
            temperature: Some(0.0),
            ..Default::default()
        })
        .output_options(OutputOptions::default())
        .build()
        .expect("every field has a value")
}

/// Serves a request as a worker does, up to the network, and returns its chunks: those that are
/// ready together are one. The engine has been started, or needs no start.
///
/// With `stop_after` the client leaves when the engine has yielded so many chunks, and the engine's
/// `abort` is called.
///
/// # Errors
///
/// What a client gets in the place of the next chunk: the engine's error, or `StreamIncomplete`
/// where the stream ended without a terminal chunk.
pub async fn collect(
    engine: Arc<dyn LLMEngine>,
    request: PreprocessedRequest,
    stop_after: Option<usize>,
) -> Result<Vec<LLMEngineOutput>, DynamoError> {
    let leaving = stop_after.map_or(Leaving::Never, Leaving::Stop);
    let panics = Panics::of(engine.name());
    let answer = ask(engine, request, leaving, panics).await;
    answer.error.map_or(Ok(answer.chunks), Err)
}

/// What a client does when the engine has yielded so many chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    Never,
    Stop(usize),
    Kill(usize),
    /// It reads no more, and says nothing.
    Drop(usize),
}

/// What a client got, and what the engine yielded.
pub(super) struct Answer {
    pub(super) chunks: Vec<LLMEngineOutput>,
    pub(super) error: Option<DynamoError>,
    pub(super) yielded: Yielded,
    /// Lives as long as somebody holds the request's context.
    pub(super) context: Weak<dyn AsyncEngineContext>,
}

impl Answer {
    pub(super) fn tokens(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.token_ids.len()).sum()
    }

    /// That of the last chunk.
    pub(super) fn reason(&self) -> Option<&FinishReason> {
        self.chunks.last()?.finish_reason.as_ref()
    }
}

/// Serves a request by the worker's own adapter. Ends when the engine has been told of a stop, too.
pub(super) async fn ask(
    engine: Arc<dyn LLMEngine>,
    request: PreprocessedRequest,
    leaving: Leaving,
    panics: Panics,
) -> Answer {
    let request = SingleIn::new(request);
    let context = request.context();
    let held = Arc::downgrade(&context);
    let client = context.clone();
    let leave = move |count| match leaving {
        Leaving::Stop(at) if at == count => client.stop_generating(),
        Leaving::Kill(at) if at == count => client.kill(),
        _ => {}
    };
    let observed = Arc::new(Observed::new(engine, panics, leave));
    let admission = Admission::default();
    let admitted = admission.enter();
    let mode = DisaggregationMode::default();
    let adapter = EngineAdapter::new(
        observed.clone(),
        admission,
        mode,
        Duration::ZERO,
        None,
        None,
    );
    let (mut chunks, mut error) = (Vec::new(), None);
    match adapter.open(request, admitted).await {
        Ok(mut stream) => {
            while let Some(item) = stream.next().await {
                match item {
                    Ok(chunk) => chunks.push(chunk),
                    Err(failed) => error = Some(failed),
                }
                if matches!(leaving, Leaving::Drop(at) if observed.yielded().chunks >= at) {
                    break;
                }
            }
        }
        Err(refused) => error = Some(refused),
    }
    if context.is_stopped() {
        observed.aborted().await;
    }
    Answer {
        chunks,
        error,
        yielded: observed.yielded(),
        context: held,
    }
}
