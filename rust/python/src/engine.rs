//! A Python engine as the worker's [`LLMEngine`].
//!
//! `generate` posts one message to the event loop's thread, which starts a pump there; chunks come
//! back through the request's [`Sink`]. Hooks are called and awaited there too.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use dynamo_backend_worker::error::{invalid_argument, unknown};
use dynamo_backend_worker::publish::KvEventSource;
use dynamo_backend_worker::{
    AdapterCards, CardChanges, DisaggregationMode, DynamoError, EngineConfig, EngineStream,
    LLMEngine, LLMEngineOutput, MetricsBindings, MetricsContext, PreprocessedRequest,
    RequestContext, WorkerConfig,
};
use futures::Stream;
use pyo3::intern;
use pyo3::prelude::*;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::adapters;
use crate::buffer::Reader;
use crate::calls::EventLoop;
use crate::chunk::into_output;
use crate::context;
use crate::convert::{config, json, request};
use crate::kv_events;
use crate::metrics::{self, MetricsCore};
use crate::python_engine::PythonEngine;
use crate::request_pump::RequestPump;
use crate::sink::Sink;

/// What a generator has for ending after its last chunk.
const LAST_MOMENT: Duration = Duration::from_secs(1);

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
        let pump = RequestPump::default();
        let (sink, items) = Sink::open(
            self.reading.clone(),
            context.clone(),
            self.event_loop.clone(),
            &pump,
        );
        let ended = CancellationToken::new();

        let (bridge, slot, as_list) = (self.bridge.clone(), pump.clone(), self.as_list);
        let seen = context::RequestContext::new(context, self.event_loop.clone(), ended.clone())
            .with_stream(sink.writer(), self.reading.clone());
        self.event_loop.outbox.post(move |py| {
            let request = match request::to_dict(py, request, as_list) {
                Ok(request) => request,
                Err(failed) => {
                    sink.fail(failed.value(py));
                    slot.set(None);
                    return Ok(());
                }
            };
            let pump = bridge
                .bind(py)
                .call_method1(intern!(py, "serve"), (request, seen, sink))?;
            slot.set(pump.extract()?);
            Ok(())
        });
        Ok(Box::pin(Chunks {
            items,
            exhausted: false,
            pump,
            event_loop: self.event_loop.clone(),
            _ended: ended.drop_guard(),
        }))
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

/// The chunks of one request. Dropped, it tells the pump that brings them.
struct Chunks {
    items: Reader,
    exhausted: bool,
    pump: RequestPump,
    event_loop: EventLoop,
    _ended: DropGuard,
}

impl Stream for Chunks {
    type Item = Result<LLMEngineOutput, DynamoError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.items.poll(cx).map(|item| {
            item.map(|item| match item {
                Ok(chunk) => Ok(into_output(chunk)),
                Err(error) => Err(*error),
            })
        });
        self.exhausted |= match &polled {
            Poll::Ready(Some(Ok(chunk))) => chunk.finish_reason.is_some(),
            Poll::Ready(Some(Err(_)) | None) => true,
            Poll::Pending => false,
        };
        polled
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        let (pump, event_loop) = (std::mem::take(&mut self.pump), self.event_loop.clone());
        // Mostly it ends at about the same time.
        match (self.exhausted, Handle::try_current()) {
            _ if pump.has_ended() => {}
            (true, Ok(runtime)) => {
                runtime.spawn(async move {
                    tokio::time::sleep(LAST_MOMENT).await;
                    if !pump.has_ended() {
                        event_loop.outbox.post(move |py| pump.overstays(py));
                    }
                });
            }
            _ => event_loop.outbox.post(move |py| pump.cancel(py)),
        }
    }
}
