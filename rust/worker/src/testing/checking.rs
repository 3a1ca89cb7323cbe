//! The checks of the contract, one after the other, on one engine.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use futures::future::LocalBoxFuture;

use super::asking::request;
use super::check::Check;
use super::checks::{AFTER, BEFORE, SERVING, START};
use super::finding::skipped;
use super::life::{Engines, Life};
use super::results::{CheckResult, CheckResults, Outcome};
use crate::engine::LLMEngine;

/// Holds an engine to the contract between a worker and its engine, without a worker.
///
/// It is started, asked, stopped at every point, asked for what no engine can do, and cleaned up, by
/// the code by which a worker does all that. `make_engine` is called twice: one engine is cleaned up
/// without a start.
///
/// Await it on a runtime of the test's own, as `#[tokio::test]` makes one: tasks that end or begin
/// meanwhile are taken for the engine's. A panic in a task of the engine's is not seen, nor is a
/// thread that is left, nor what blocks a thread of the runtime.
pub fn check_engine<E: LLMEngine>(make_engine: impl Fn() -> E + 'static) -> EngineCheck {
    EngineCheck::of(move || Engines {
        engine: Arc::new(make_engine()),
        another: Some(Arc::new(make_engine())),
    })
}

/// As [`check_engine`], of an engine whose type is not known. `another` is one more, which nobody has
/// started: without it the check of a failed start says nothing.
pub fn check_shared_engine(
    engine: Arc<dyn LLMEngine>,
    another: Option<Arc<dyn LLMEngine>>,
) -> EngineCheck {
    EngineCheck::of(move || Engines { engine, another })
}

/// Names of all checks, in their order.
pub fn check_names() -> Vec<&'static str> {
    let groups = [&[BEFORE, &[START]][..], SERVING, AFTER];
    let checks = groups.into_iter().flatten().copied().flatten();
    checks.map(|check| check.name).collect()
}

/// What [`check_engine`] is about to do; await it for the [`CheckResults`].
#[must_use = "nothing is checked until it is awaited"]
pub struct EngineCheck {
    make: Box<dyn FnOnce() -> Engines>,
    request: PreprocessedRequest,
    requests: usize,
    timeout: Duration,
    tell: Box<dyn FnMut(&CheckResult)>,
}

impl EngineCheck {
    fn of(make: impl FnOnce() -> Engines + 'static) -> Self {
        let mut ordinary = request(1..=64);
        ordinary.stop_conditions.max_tokens = Some(32);
        ordinary.stop_conditions.ignore_eos = Some(true);
        Self {
            make: Box::new(make),
            request: ordinary,
            requests: 1000,
            timeout: Duration::from_secs(10),
            tell: Box::new(|_| {}),
        }
    }

    /// What is an ordinary request to this engine; its answer should have several chunks. Unless it
    /// is given, 64 tokens of prompt, and 32 to generate.
    pub fn request(mut self, request: PreprocessedRequest) -> Self {
        self.request = request;
        self
    }

    /// How many requests are made in search of leaks, instead of 1000: fewer for an engine that takes
    /// long.
    pub fn requests(mut self, requests: usize) -> Self {
        self.requests = requests;
        self
    }

    /// For a request, a hook, and whatever else is waited for, instead of 10 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Calls `tell` with each result as it comes.
    pub fn on_result(mut self, tell: impl FnMut(&CheckResult) + 'static) -> Self {
        self.tell = Box::new(tell);
        self
    }

    async fn run(self) -> CheckResults {
        let mut life = Life::new((self.make)(), self.request, self.requests, self.timeout);
        let mut told = Told {
            results: Vec::new(),
            tell: self.tell,
        };
        for check in BEFORE {
            told.add(result(check, &mut life).await);
        }
        let started = result(&START, &mut life).await;
        let serves = started.outcome == Outcome::Passed;
        told.add(started);
        for check in SERVING.iter().copied().flatten() {
            told.add(match serves {
                true => result(check, &mut life).await,
                false => check.result(skipped("the engine did not start")),
            });
        }
        for check in AFTER.iter().copied().flatten() {
            told.add(result(check, &mut life).await);
        }
        CheckResults {
            engine: life.engine.name(),
            results: told.results,
        }
    }
}

/// The results so far.
struct Told {
    results: Vec<CheckResult>,
    tell: Box<dyn FnMut(&CheckResult)>,
}

impl Told {
    fn add(&mut self, result: CheckResult) {
        (self.tell)(&result);
        self.results.push(result);
    }
}

impl IntoFuture for EngineCheck {
    type Output = CheckResults;
    type IntoFuture = LocalBoxFuture<'static, CheckResults>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

async fn result(check: &Check, life: &mut Life) -> CheckResult {
    let found = (check.run)(life).await;
    check.result(found)
}
