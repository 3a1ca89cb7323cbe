//! An engine that was compiled elsewhere, behind the tables of `dynamo-engine-abi`.

mod adapter_card;
mod answers;
mod check;
mod chunk;
mod host;
mod lent;
mod metrics;
mod operation;
mod request;
mod stream;
mod taken;

use std::any::Any;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use async_trait::async_trait;
use dynamo_engine_abi as abi;
use dynamo_engine_abi::Begin;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::adapter_cards::AdapterCards;
use crate::config::WorkerConfig;
use crate::engine::{EngineStream, LLMEngine, MetricsBindings, MetricsContext, RequestContext};
use crate::engine_config::EngineConfig;
use crate::error::invalid_argument;
use crate::metrics::EngineText;
use crate::publish::KvEventSource;
use answers::{Metrics, Source, Started, read, settings};
use operation::{Answered, call};
use request::LentRequest;
use stream::Answer;
use taken::Taken;

/// An engine that was compiled elsewhere: by another compiler, in another language, with another tokio.
///
/// What it answers is checked, and what is wrong with it is an error that names engine and function.
/// Its memory is not: a table that lies about what it points to is undefined behaviour.
pub struct ForeignEngine {
    engine: Arc<Taken>,
    /// Its own metrics, once they are shown.
    text: Mutex<Option<EngineText>>,
}

impl ForeignEngine {
    /// Takes the engine out of `engine`, which is left without a table. `keep` is dropped behind it,
    /// its last stream and its last operation. The engine's library must never be unloaded.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for an engine that was taken already, of another version of the interface or
    /// with features that this worker does not have, whose table is too small, or lacks a name or
    /// a function. Nothing was taken, or called, then.
    ///
    /// # Safety
    ///
    /// `engine` points to an engine that nobody uses at the same time, and whose table is null or as
    /// large as it says, and does what `dynamo-engine-abi` says.
    pub unsafe fn take(
        engine: NonNull<abi::Engine>,
        keep: Box<dyn Any + Send + Sync>,
    ) -> Result<Self, DynamoError> {
        let abi::Engine { table, data } = unsafe { engine.read() };
        let Some(found) = NonNull::new(table.cast_mut()) else {
            return Err(invalid_argument(
                "the engine was taken already: it can be served once, so make another",
            ));
        };
        let (table, name) = unsafe { check::checked(found) }?;
        unsafe { (*engine.as_ptr()).table = ptr::null() };
        Ok(Self {
            engine: unsafe { Taken::attach(table, data, name, keep) },
            text: Mutex::default(),
        })
    }

    async fn call(
        &self,
        function: &'static str,
        begin: Option<Begin>,
        argument: Option<Value>,
    ) -> Option<Answered> {
        call(&self.engine, function, begin, argument).await
    }

    /// A call without argument and answer.
    async fn tell(&self, function: &'static str, begin: Option<Begin>) -> Result<(), DynamoError> {
        self.call(function, begin, None).await.transpose().map(drop)
    }
}

#[async_trait]
impl LLMEngine for ForeignEngine {
    fn name(&self) -> String {
        self.engine.name.to_string()
    }

    fn configure(&self, config: &WorkerConfig) {
        let Some(configure) = self.engine.table.configure else {
            return;
        };
        let settings = settings(config).to_string();
        // SAFETY: the engine is ours, and the text lives for the call.
        unsafe { configure(self.engine.data, abi::Str::lend(&settings)) }
    }

    async fn start(&self, worker_id: u64) -> Result<EngineConfig, DynamoError> {
        let argument = json!({"worker_id": worker_id.to_string()});
        let start = self.engine.table.start;
        let answer = match self.call("start", start, Some(argument)).await {
            Some(answer) => answer?,
            None => None,
        };
        let started: Started = read(&self.engine, "start", answer)?;
        Ok(started.into())
    }

    async fn generate(
        &self,
        request: PreprocessedRequest,
        context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        let request = LentRequest::new(request, context);
        let answer = Answer::begin(self.engine.clone(), request).await?;
        Ok(Box::pin(answer))
    }

    async fn abort(&self, context: RequestContext) {
        if let Some(abort) = self.engine.table.abort {
            // SAFETY: the engine is ours.
            unsafe { abort(self.engine.data, context.identity()) }
        }
    }

    async fn watch(&self) -> Result<(), DynamoError> {
        self.tell("watch", self.engine.table.watch).await
    }

    async fn drain(&self) -> Result<(), DynamoError> {
        self.tell("drain", self.engine.table.drain).await
    }

    async fn is_quiescent(&self) -> Result<Option<bool>, DynamoError> {
        let begin = self.engine.table.is_quiescent;
        match self.call("is_quiescent", begin, None).await {
            None => Ok(None),
            Some(answer) => read(&self.engine, "is_quiescent", answer?),
        }
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        let cleaned = self.tell("cleanup", self.engine.table.cleanup).await;
        if let Some(text) = self.text.lock().take() {
            text.close();
        }
        self.engine.host.close();
        cleaned
    }

    async fn setup_metrics(&self, ctx: MetricsContext) -> Result<MetricsBindings, DynamoError> {
        let labels = ctx
            .labels
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)));
        let argument = json!({
            "model": ctx.model,
            "component": ctx.component,
            "model_load_seconds": ctx.model_load_time.as_secs_f64(),
            "labels": labels.collect::<serde_json::Map<_, _>>(),
        });
        let begin = self.engine.table.setup_metrics;
        let metrics = match self.call("setup_metrics", begin, Some(argument)).await {
            None => return Ok(MetricsBindings::default()),
            Some(answer) => read::<Option<Metrics>>(&self.engine, "setup_metrics", answer?)?,
        };
        let Metrics { dp_ranks, text } = metrics.unwrap_or_default();
        if text && self.engine.table.metrics_text.is_none() {
            let wrong = "answered that there is a text, and metrics_text is null";
            return Err(self.engine.fault("setup_metrics", wrong));
        }
        if text {
            *self.text.lock() = Some(metrics::add(&self.engine, &ctx.texts));
        }
        let host = self.engine.host.clone();
        let push = move |publisher| host.publish_snapshots_by(publisher);
        Ok(match dp_ranks[..] {
            [] => MetricsBindings::default(),
            _ => MetricsBindings::push(dp_ranks, push),
        })
    }

    async fn kv_event_sources(&self) -> Result<Vec<KvEventSource>, DynamoError> {
        let begin = self.engine.table.kv_event_sources;
        let sources = match self.call("kv_event_sources", begin, None).await {
            None => return Ok(Vec::new()),
            Some(answer) => read::<Option<Vec<Source>>>(&self.engine, "kv_event_sources", answer?)?,
        };
        let sources = sources.unwrap_or_default().into_iter().map(|source| {
            let host = self.engine.host.clone();
            let media = source.media();
            match source.endpoint {
                Some(endpoint) => KvEventSource::Zmq {
                    endpoint,
                    topic: source.topic,
                    dp_rank: source.dp_rank,
                    media,
                },
                None => {
                    let push = move |publisher| host.publish_kv_events_by(publisher);
                    KvEventSource::push(source.dp_rank, push).with_media(media)
                }
            }
        });
        Ok(sources.collect())
    }

    async fn health_check_payload(&self) -> Result<Option<Value>, DynamoError> {
        let begin = self.engine.table.health_check_payload;
        match self.call("health_check_payload", begin, None).await {
            None => Ok(None),
            Some(answer) => read(&self.engine, "health_check_payload", answer?),
        }
    }

    async fn on_adapter_cards(&self, cards: AdapterCards) -> Result<(), DynamoError> {
        self.engine.host.register_cards_by(cards);
        self.tell("on_adapter_cards", self.engine.table.on_adapter_cards)
            .await
    }

    async fn supported_controls(&self) -> Result<Vec<String>, DynamoError> {
        self.names("supported_controls", self.engine.table.supported_controls)
            .await
    }

    async fn engine_control(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        let begin = self.engine.table.engine_control;
        self.perform("engine_control", begin, name, body)
            .await
            .unwrap_or_else(|| Err(self.has_none("control", name)))
    }

    async fn validate_engine_control(&self, name: &str, body: &Value) -> Result<(), DynamoError> {
        let begin = self.engine.table.validate_engine_control;
        let argument = json!({"name": name, "body": body});
        let answered = self.call("validate_engine_control", begin, Some(argument));
        answered.await.transpose().map(drop)
    }

    async fn supported_updates(&self) -> Result<Vec<String>, DynamoError> {
        self.names("supported_updates", self.engine.table.supported_updates)
            .await
    }

    async fn engine_update(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        let begin = self.engine.table.engine_update;
        self.perform("engine_update", begin, name, body)
            .await
            .unwrap_or_else(|| Err(self.has_none("update", name)))
    }
}

impl ForeignEngine {
    /// The list of names that `function` answers.
    async fn names(
        &self,
        function: &'static str,
        begin: Option<Begin>,
    ) -> Result<Vec<String>, DynamoError> {
        match self.call(function, begin, None).await {
            None => Ok(Vec::new()),
            Some(answer) => {
                Ok(read::<Option<_>>(&self.engine, function, answer?)?.unwrap_or_default())
            }
        }
    }

    /// What `function` answers to a call of an operator's; `None`: the engine has no such function.
    async fn perform(
        &self,
        function: &'static str,
        begin: Option<Begin>,
        name: &str,
        body: Value,
    ) -> Option<Result<Value, DynamoError>> {
        let argument = json!({"name": name, "body": body});
        let answer = self.call(function, begin, Some(argument)).await?;
        Some(answer.and_then(|answer| read(&self.engine, function, answer)))
    }

    fn has_none(&self, what: &str, name: &str) -> DynamoError {
        invalid_argument(format!("{} supports no {what} '{name}'", self.engine.name))
    }
}

#[cfg(test)]
mod tests;
