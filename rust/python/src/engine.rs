//! A Python engine as the worker's [`LLMEngine`].
//!
//! `generate` posts one message to the event loop's thread, which starts a pump there; chunks come
//! back through the request's [`Chunks`]. Hooks are called and awaited there too.

use async_trait::async_trait;
use dynamo_backend_worker::error::{invalid_argument, unknown};
use dynamo_backend_worker::publish::KvEventSource;
use dynamo_backend_worker::{
    AdapterCards, CardChanges, DisaggregationMode, DynamoError, EngineConfig, EngineStream,
    LLMEngine, MetricsBindings, MetricsContext, PreprocessedRequest, RequestContext, WorkerConfig,
};
use pyo3::prelude::*;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::adapters;
use crate::chunk::into_output;
use crate::chunks::Chunks;
use crate::context;
use crate::convert::{config, json, request};
use crate::kv_events;
use crate::metrics::{self, MetricsCore};
use crate::python_engine::PythonEngine;

#[async_trait]
impl LLMEngine for PythonEngine {
    fn name(&self) -> String {
        self.name.to_string()
    }

    fn configure(&self, config: &WorkerConfig) {
        if config.disaggregation_mode != DisaggregationMode::Prefill {
            return;
        }
        Python::attach(|py| {
            if let Err(raised) = self.bridge.bind(py).call_method0("check_prefill") {
                raised.write_unraisable(py, None);
            }
        });
    }

    async fn start(&self, worker_id: u64) -> Result<EngineConfig, DynamoError> {
        let name = self.name.clone();
        let start = self.call("start", (worker_id,), self.fatal(), move |answer| {
            config::engine_config(answer, &name)
        });
        tokio::select! {
            biased;
            started = start => started,
            never = self.tell_shutdown() => match never {},
        }
    }

    async fn generate(
        &self,
        request: PreprocessedRequest,
        context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        let as_list = self.as_list;
        let chunks = Chunks::ask(
            self,
            context,
            true,
            move |py| request::to_dict(py, request, as_list),
            into_output,
        );
        Ok(Box::pin(chunks))
    }

    async fn abort(&self, context: RequestContext) {
        let ended = CancellationToken::new();
        let _ended = ended.clone().drop_guard();
        let context = context::RequestContext::new(context, self.event_loop.clone(), ended);
        // The bridge logs what an engine's own `abort` raises.
        if self
            .call("abort", (context,), None, |_| Ok(()))
            .await
            .is_err()
        {
            tracing::debug!(engine = &*self.name, "abort after the event loop ended");
        }
    }

    async fn watch(&self) -> Result<(), DynamoError> {
        self.call("watch", (), self.fatal(), |_| Ok(())).await
    }

    async fn drain(&self) -> Result<(), DynamoError> {
        self.call("drain", (), None, |_| Ok(())).await
    }

    async fn is_quiescent(&self) -> Result<Option<bool>, DynamoError> {
        self.call("is_quiescent", (), None, |answer| {
            answer
                .extract()
                .map_err(|_| invalid_argument("is_quiescent: must return True, False or None"))
        })
        .await
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        self.call("cleanup", (), None, |_| Ok(())).await
    }

    async fn setup_metrics(&self, ctx: MetricsContext) -> Result<MetricsBindings, DynamoError> {
        let metrics = MetricsCore::new(&ctx);
        let load_time = ctx.model_load_time.as_secs_f64();
        let arguments = (ctx.model, ctx.component, load_time, metrics);
        let engine = self.clone();
        self.call("setup_metrics", arguments, self.fatal(), move |answer| {
            metrics::bindings(answer, &engine)
        })
        .await
    }

    async fn kv_event_sources(&self) -> Result<Vec<KvEventSource>, DynamoError> {
        let engine = self.clone();
        self.call("kv_event_sources", (), self.fatal(), move |answer| {
            kv_events::sources(answer, &engine)
        })
        .await
    }

    async fn health_check_payload(&self) -> Result<Option<Value>, DynamoError> {
        self.call("health_check_payload", (), None, |answer| {
            let value = json::from_python(answer, "health_check_payload").map_err(unknown)?;
            Ok((!value.is_null()).then_some(value))
        })
        .await
    }

    async fn on_adapter_cards(&self, cards: AdapterCards) -> Result<(), DynamoError> {
        let cards = adapters::AdapterCards::new(cards, self.event_loop.clone());
        self.call("on_adapter_cards", (cards,), self.fatal(), |_| Ok(()))
            .await
    }

    async fn supported_controls(&self) -> Result<Vec<String>, DynamoError> {
        self.names("supported_controls").await
    }

    async fn validate_engine_control(&self, name: &str, body: &Value) -> Result<(), DynamoError> {
        let arguments = (name.to_owned(), json::Json(body.clone()));
        self.call(
            "validate_engine_control",
            arguments,
            None,
            |answer| match answer.is_none() {
                true => Ok(()),
                false => Err(invalid_argument(
                    "validate_engine_control: must return None, and raise what it does not accept",
                )),
            },
        )
        .await
    }

    async fn engine_control(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        let arguments = (name.to_owned(), json::Json(body));
        self.call("engine_control", arguments, None, |answer| {
            json::from_python(answer, "engine_control's reply").map_err(unknown)
        })
        .await
    }

    async fn supported_updates(&self) -> Result<Vec<String>, DynamoError> {
        self.names("supported_updates").await
    }

    async fn engine_update(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        let update = CardChanges::current().map(adapters::Update::new);
        let arguments = (name.to_owned(), json::Json(body), update);
        self.call("engine_update", arguments, None, |answer| {
            json::from_python(answer, "engine_update's reply").map_err(unknown)
        })
        .await
    }
}
