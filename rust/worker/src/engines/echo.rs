//! Answers with the prompt, one token a chunk.

mod unsupported;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dynamo_llm::protocols::common::llm_backend::{LLMEngineOutput, TopLogprob};
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_protocols::types::CompletionUsage;
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;
use serde_json::json;

use crate::config::{DisaggregationMode, WorkerConfig};
use crate::disaggregation::{prefill_chunk, prefill_request, require_prefill_result};
use crate::engine::{EngineStream, LLMEngine, RequestContext, is_probe};
use crate::engine_config::EngineConfig;
use crate::error::invalid_argument;
use unsupported::refuse_unsupported;

/// Key of the prompt in what a prefill hands over.
const HANDED_OVER: &str = "token_ids";

/// The engine for trying things out and for tests: no model, no Python, and the tokens of the
/// prompt as output, at most `max_tokens` of them.
///
/// What a request asks for beyond that, as several outputs or a grammar, is refused.
///
/// In a prefill worker it hands the prompt over to the decode worker, which answers with that.
#[derive(Clone, Debug)]
pub struct Echo {
    model: String,
    delay: Duration,
    /// Of the worker that it was given to last.
    mode: Arc<Mutex<DisaggregationMode>>,
}

impl Echo {
    /// An echo that calls its model `model` and waits `delay` before each token.
    pub fn new(model: impl Into<String>, delay: Duration) -> Self {
        Self {
            model: model.into(),
            delay,
            mode: Arc::default(),
        }
    }
}

#[async_trait]
impl LLMEngine for Echo {
    fn name(&self) -> String {
        "Echo".into()
    }

    fn configure(&self, config: &WorkerConfig) {
        *self.mode.lock() = config.disaggregation_mode;
    }

    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        Ok(EngineConfig::new(&self.model))
    }

    async fn generate(
        &self,
        request: PreprocessedRequest,
        context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        let mode = *self.mode.lock();
        if !is_probe(&request) {
            refuse_unsupported(&request)?;
        }
        let request = match mode {
            // A probe has no peer.
            _ if is_probe(&request) => request,
            DisaggregationMode::Prefill => return self.prefill(request),
            DisaggregationMode::Decode => handed_over(request)?,
            DisaggregationMode::Aggregated => request,
            DisaggregationMode::Encode => return Err(encodes_nothing()),
        };
        let delay = self.delay;
        let stop = &request.stop_conditions;
        let wanted = stop.max_tokens.map_or(usize::MAX, |max| max as usize);
        let count = request.token_ids.len().min(wanted);
        if stop.min_tokens.is_some_and(|min| min as usize > count) && !is_probe(&request) {
            return Err(invalid_argument(format!(
                "min_tokens is more than the {count} tokens that there are to echo"
            )));
        }
        let logprobs = request.output_options.logprobs;
        let usage = usage(request.token_ids.len(), count);
        Ok(Box::pin(async_stream::stream! {
            for &token in request.token_ids.iter().take(count) {
                tokio::select! {
                    biased;
                    _ = context.stopped() => {
                        yield Ok(LLMEngineOutput::cancelled());
                        return;
                    }
                    _ = tokio::time::sleep(delay), if !delay.is_zero() => {}
                    _ = std::future::ready(()), if delay.is_zero() => {}
                }
                yield Ok(echoed(token, logprobs));
            }
            let end = if count < request.token_ids.len() {
                LLMEngineOutput::length()
            } else {
                LLMEngineOutput::stop()
            };
            yield Ok(LLMEngineOutput { completion_usage: Some(usage), ..end });
        }))
    }

    /// What it hands over travels with its answer.
    async fn is_quiescent(&self) -> Result<Option<bool>, DynamoError> {
        Ok(Some(true))
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        Ok(())
    }
}

impl Echo {
    /// Hands over the prompt, which is all that an echo has for a decode worker.
    fn prefill(&self, request: PreprocessedRequest) -> Result<EngineStream, DynamoError> {
        let request = prefill_request(request)?;
        let delay = self.delay;
        Ok(Box::pin(futures::stream::once(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let tokens = &request.token_ids;
            let first: Vec<u32> = tokens.iter().take(1).copied().collect();
            let usage = usage(tokens.len(), first.len());
            Ok(LLMEngineOutput {
                completion_usage: Some(usage),
                ..prefill_chunk(first, json!({ HANDED_OVER: **tokens }))
            })
        })))
    }
}

fn encodes_nothing() -> DynamoError {
    invalid_argument("an echo has no encoder; serve it in another disaggregation_mode than Encode")
}

/// The request with the prompt that the prefill handed over, which is then what is echoed.
fn handed_over(mut request: PreprocessedRequest) -> Result<PreprocessedRequest, DynamoError> {
    let params = &require_prefill_result(&request)?.disaggregated_params;
    let tokens: Vec<u32> = serde_json::from_value(params[HANDED_OVER].clone()).map_err(|error| {
        invalid_argument(format!(
            "prefill_result.disaggregated_params.{HANDED_OVER}: {error}; the prefill worker must \
             serve the echo engine too"
        ))
    })?;
    request.token_ids = tokens.into();
    Ok(request)
}

/// A chunk of one token, the only candidate there is, and so a certain one.
fn echoed(token: u32, logprobs: Option<u32>) -> LLMEngineOutput {
    let certain = TopLogprob {
        rank: 1,
        token_id: token,
        token: None,
        logprob: 0.0,
        bytes: None,
    };
    LLMEngineOutput {
        token_ids: vec![token],
        index: Some(0),
        log_probs: logprobs.map(|_| vec![0.0]),
        cum_log_probs: logprobs.map(|_| 0.0),
        top_logprobs: logprobs.map(|most| vec![vec![certain; most.min(1) as usize]]),
        ..Default::default()
    }
}

fn usage(prompt: usize, completion: usize) -> CompletionUsage {
    let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
    CompletionUsage {
        prompt_tokens: count(prompt),
        completion_tokens: count(completion),
        total_tokens: count(prompt.saturating_add(completion)),
        ..Default::default()
    }
}
