//! An engine that breaks the contract in one way, and the check that is to catch it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::sleep;

use crate::config::WorkerConfig;
use crate::engine::{EngineStream, LLMEngine, RequestContext, is_probe};
use crate::engine_config::EngineConfig;
use crate::error::{invalid_argument, unknown};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// It is none: how tokens are joined is the engine's own.
    JoinsLaterAnswers,
    HalfStarted,
    FailsToStart,
    PanicsInConfigure,
    UnevenLogprobs,
    NoTerminal,
    OneMore,
    FailsAlways,
    IgnoresStop,
    HangsWhenStopped,
    StopsWithStop,
    StopsWithError,
    KilledByError,
    UntypedErrors,
    BrokenByBadRequest,
    BadProbe,
    FailsItsProbe,
    NeverWakes,
    AnyControl,
    HangsInControl,
    RefusesToSleep,
    AnyUpdate,
    UpdatesTaints,
    LeavesTasks,
    HoldsContexts,
    HoldsDropped,
    OneAtATime,
    WatchFails,
    FailsToDrain,
    NeverQuiet,
    FailsToCleanUp,
    CleansUpOnce,
    LeavesItsTask,
    PanicsInAbort,
    PanicsInStream,
}

pub(super) const WRONG: [(Fault, &str, &str); 35] = {
    use Fault::*;
    [
        (HalfStarted, "cleanup_after_failed_start", "panicked"),
        (FailsToStart, "start", "Unknown: no such model"),
        (PanicsInConfigure, "start", "configure panicked: no"),
        (
            UnevenLogprobs,
            "chunk_shapes",
            "chunk 0 has 1 log_probs for 0",
        ),
        (NoTerminal, "one_terminal_chunk", "without a terminal chunk"),
        (OneMore, "one_terminal_chunk", "yielded more after"),
        (FailsAlways, "one_terminal_chunk", "Unknown: no device"),
        (
            IgnoresStop,
            "cancellation_at_every_point",
            "yielded 24 more",
        ),
        (
            HangsWhenStopped,
            "cancellation_at_every_point",
            "did not end",
        ),
        (
            StopsWithStop,
            "cancellation_at_every_point",
            "with Stop, not",
        ),
        (
            StopsWithError,
            "cancellation_at_every_point",
            "Unknown: gone",
        ),
        (KilledByError, "kill", "Unknown: killed"),
        (UntypedErrors, "errors_are_typed", "an empty prompt reaches"),
        (
            BrokenByBadRequest,
            "serves_after_bad_requests",
            "model is gone",
        ),
        (BadProbe, "probe", "token_ids"),
        (FailsItsProbe, "probe", "Unknown: no probes"),
        (NeverWakes, "controls", "no 'wake_up'"),
        (AnyControl, "controls", "'no_such_control', succeeds"),
        (HangsInControl, "controls", "engine_control did not end"),
        (RefusesToSleep, "controls", "sleep: no level"),
        (AnyUpdate, "updates", "'no_such_update', succeeds"),
        (
            UpdatesTaints,
            "updates",
            "'model_taints' is the worker's own",
        ),
        (LeavesTasks, "no_leaks", "tasks more than after 30"),
        (HoldsContexts, "no_leaks", "the contexts of 60 are held"),
        (HoldsDropped, "no_leaks", "the contexts of 14 are held"),
        (OneAtATime, "no_leaks", "ended with InvalidArgument: busy"),
        (WatchFails, "watch", "Unknown: the core is gone"),
        (FailsToDrain, "drain", "drain failed: Unknown: nobody there"),
        (NeverQuiet, "drain", "is_quiescent says Some(false)"),
        (FailsToCleanUp, "cleanup", "Unknown: device busy"),
        (CleansUpOnce, "cleanup_twice", "closed already"),
        (LeavesItsTask, "nothing_is_left", "after cleanup 1 tasks"),
        (
            PanicsInAbort,
            "no_panic",
            "Faulty.abort panicked: no such request",
        ),
        (
            PanicsInStream,
            "no_panic",
            "Faulty.stream panicked: no cache",
        ),
        (
            PanicsInConfigure,
            "no_panic",
            "Faulty.configure panicked: no",
        ),
    ]
};

pub(super) struct Faulty {
    fault: Fault,
    requests: AtomicUsize,
    aborts: AtomicUsize,
    cleanups: AtomicUsize,
    is_broken: AtomicBool,
    task: Mutex<Option<JoinHandle<()>>>,
    contexts: Arc<Mutex<Vec<RequestContext>>>,
}

impl Faulty {
    pub(super) fn new(fault: Fault) -> Self {
        Self {
            fault,
            requests: AtomicUsize::new(0),
            aborts: AtomicUsize::new(0),
            cleanups: AtomicUsize::new(0),
            is_broken: AtomicBool::new(false),
            task: Mutex::default(),
            contexts: Arc::default(),
        }
    }

    pub(super) fn aborts(&self) -> usize {
        self.aborts.load(Ordering::Relaxed)
    }
}

fn token(token: u32) -> LLMEngineOutput {
    LLMEngineOutput {
        token_ids: vec![token],
        ..Default::default()
    }
}

#[async_trait]
impl LLMEngine for Faulty {
    fn name(&self) -> String {
        "Faulty".into()
    }

    fn configure(&self, _config: &WorkerConfig) {
        assert!(self.fault != Fault::PanicsInConfigure, "no");
    }

    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        if self.fault == Fault::FailsToStart {
            return Err(unknown("no such model"));
        }
        *self.task.lock() = Some(tokio::spawn(std::future::pending()));
        Ok(EngineConfig::new("faulty"))
    }

    async fn generate(
        &self,
        request: PreprocessedRequest,
        context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        let fault = self.fault;
        if self.is_broken.load(Ordering::Relaxed) {
            return Err(invalid_argument("the model is gone"));
        }
        if request.token_ids.is_empty() {
            let is_broken = fault == Fault::BrokenByBadRequest;
            self.is_broken.store(is_broken, Ordering::Relaxed);
            return Err(match fault {
                Fault::UntypedErrors => unknown("index out of range"),
                _ => invalid_argument("token_ids is empty; accepted: 1 token or more"),
            });
        }
        match fault {
            Fault::FailsAlways => return Err(unknown("no device")),
            Fault::FailsItsProbe if is_probe(&request) => return Err(unknown("no probes")),
            Fault::LeavesTasks => {
                tokio::spawn(std::future::pending::<()>());
            }
            Fault::OneAtATime if !self.contexts.lock().is_empty() => {
                return Err(invalid_argument("busy"));
            }
            Fault::HoldsContexts | Fault::HoldsDropped | Fault::OneAtATime => {
                self.contexts.lock().push(context.clone());
            }
            _ => {}
        }
        let (contexts, own) = (self.contexts.clone(), context.clone());
        let release = move || contexts.lock().retain(|context| !context.is_same(&own));
        let releases = matches!(fault, Fault::HoldsDropped | Fault::OneAtATime);
        let count = request.stop_conditions.max_tokens.unwrap_or(8);
        if self.requests.fetch_add(1, Ordering::Relaxed) >= 2 && fault == Fault::JoinsLaterAnswers {
            let joined = LLMEngineOutput {
                token_ids: (0..count).collect(),
                ..LLMEngineOutput::stop()
            };
            return Ok(Box::pin(futures::stream::iter([Ok(joined)])));
        }
        Ok(Box::pin(async_stream::stream! {
            if fault == Fault::UnevenLogprobs {
                yield Ok(LLMEngineOutput {
                    log_probs: Some(vec![0.0]),
                    ..Default::default()
                });
            }
            for number in 0..count {
                if context.is_stopped() {
                    match fault {
                        Fault::IgnoresStop => {}
                        Fault::HangsWhenStopped => std::future::pending().await,
                        Fault::StopsWithStop => {
                            yield Ok(LLMEngineOutput::stop());
                            return;
                        }
                        Fault::StopsWithError => {
                            yield Err(unknown("gone"));
                            return;
                        }
                        Fault::KilledByError if context.is_killed() => {
                            yield Err(unknown("killed"));
                            return;
                        }
                        _ => {
                            if releases {
                                release();
                            }
                            yield Ok(LLMEngineOutput::cancelled());
                            return;
                        }
                    }
                }
                assert!(fault != Fault::PanicsInStream || number < 2, "no cache");
                yield Ok(token(number));
                yield_now().await;
            }
            if releases {
                release();
            }
            if fault != Fault::NoTerminal {
                yield Ok(LLMEngineOutput::stop());
            }
            if fault == Fault::OneMore {
                yield Ok(token(0));
            }
        }))
    }

    async fn abort(&self, _context: RequestContext) {
        self.aborts.fetch_add(1, Ordering::Relaxed);
        assert!(self.fault != Fault::PanicsInAbort, "no such request");
    }

    async fn watch(&self) -> Result<(), DynamoError> {
        match self.fault {
            Fault::WatchFails => Err(unknown("the core is gone")),
            _ => std::future::pending().await,
        }
    }

    async fn drain(&self) -> Result<(), DynamoError> {
        match self.fault {
            Fault::FailsToDrain => Err(unknown("nobody there")),
            _ => Ok(()),
        }
    }

    async fn is_quiescent(&self) -> Result<Option<bool>, DynamoError> {
        Ok(Some(self.fault != Fault::NeverQuiet))
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        let before = self.cleanups.fetch_add(1, Ordering::Relaxed);
        let task = self.task.lock().take();
        match (self.fault, task) {
            (Fault::HalfStarted, None) if before == 0 => panic!("cleanup without a task"),
            (Fault::FailsToCleanUp, Some(_)) => Err(unknown("device busy")),
            (Fault::CleansUpOnce, None) if before > 0 => Err(unknown("closed already")),
            (Fault::LeavesItsTask, _) => Ok(()),
            (_, task) => {
                if let Some(task) = task {
                    task.abort();
                }
                sleep(Duration::ZERO).await;
                Ok(())
            }
        }
    }

    async fn health_check_payload(&self) -> Result<Option<Value>, DynamoError> {
        Ok(Some(match self.fault {
            Fault::BadProbe => json!({"prompt": "hello"}),
            _ => json!({"token_ids": [1], "stop_conditions": {"max_tokens": 1}}),
        }))
    }

    async fn supported_controls(&self) -> Result<Vec<String>, DynamoError> {
        let names: &[&str] = match self.fault {
            Fault::NeverWakes => &["sleep"],
            _ => &["sleep", "wake_up"],
        };
        Ok(names.iter().map(|&name| name.to_owned()).collect())
    }

    async fn engine_control(&self, name: &str, _body: Value) -> Result<Value, DynamoError> {
        match name {
            _ if self.fault == Fault::AnyControl => Ok(json!({"status": "ok"})),
            "sleep" | "wake_up" => Ok(json!({"status": "ok"})),
            _ if self.fault == Fault::HangsInControl => std::future::pending().await,
            _ => Err(invalid_argument(format!("there is no control '{name}'"))),
        }
    }

    async fn validate_engine_control(&self, name: &str, _body: &Value) -> Result<(), DynamoError> {
        match self.fault {
            Fault::RefusesToSleep => Err(invalid_argument(format!("{name}: no level"))),
            _ => Ok(()),
        }
    }

    async fn supported_updates(&self) -> Result<Vec<String>, DynamoError> {
        let names: &[&str] = match self.fault {
            Fault::UpdatesTaints => &["model_taints"],
            _ => &["load_lora"],
        };
        Ok(names.iter().map(|&name| name.to_owned()).collect())
    }

    async fn engine_update(&self, name: &str, _body: Value) -> Result<Value, DynamoError> {
        match self.fault {
            Fault::AnyUpdate => Ok(json!({"status": "ok"})),
            _ => Err(invalid_argument(format!("there is no update '{name}'"))),
        }
    }
}
