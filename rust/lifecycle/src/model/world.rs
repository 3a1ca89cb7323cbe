//! The implementation's side: a host whose hooks end when a sequence says so, in simulated time.

mod host;
mod place;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::controls::{Call, SLEEP};
use super::operation::{Does, Operation};
use super::{GRACE, Seen, Sequence};
use crate::Settings;
use crate::controls::{Presence, Transitions};
use crate::report::Outcome;

/// One worker.
struct World {
    born: Instant,
    fetches: bool,
    shutdown: CancellationToken,
    /// Flips when shutdown begins.
    began: CancellationToken,
    transitions: Transitions,
    /// Flips when the engine fails.
    engine_failed: CancellationToken,
    presence: Mutex<Presence>,
    /// How serving ended by itself: badly or not.
    serving_over: Mutex<Option<bool>>,
    serving_ended: Notify,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    seen: Seen,
    over: bool,
    /// Ends the hook that is awaited.
    hook: Option<oneshot::Sender<bool>>,
    served: bool,
    accepts: bool,
    /// When each request in flight ends; those that ended are counted when looked at.
    requests: Vec<Instant>,
    finished: u64,
    quiescent: Option<bool>,
}

/// Plays `sequence` to the implementation.
pub(super) fn play(sequence: &Sequence) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    runtime.block_on(async {
        let settings = Settings {
            grace: Duration::from_millis(GRACE),
            timeout: Duration::from_secs(30),
            prefill_drain: Duration::from_secs(30),
            sleep: Duration::from_millis(SLEEP),
            connect: Duration::from_secs(1000),
            ..Settings::default()
        };
        let world = Arc::new(World::new(sequence.fetches, &settings));
        let run = tokio::spawn({
            let (world, prefill) = (world.clone(), sequence.prefill);
            async move {
                let outcome = crate::run(&world, &world.shutdown, &settings, prefill).await;
                world.returned(&outcome);
            }
        });
        tokio::spawn({
            let world = world.clone();
            async move {
                world.began.cancelled().await;
                sleep(Duration::from_secs(35)).await;
                run.abort();
                world.killed();
            }
        });
        settle().await;
        let mut calls = 0;
        for operation in sequence.to_the_end() {
            if world.inner.lock().unwrap().over {
                break;
            }
            world.step(operation, &mut calls).await;
            settle().await;
        }
        let seen = std::mem::take(&mut world.inner.lock().unwrap().seen);
        seen.in_order()
    })
}

/// Lets every task do what it can without time.
async fn settle() {
    for _ in 0..6 {
        yield_now().await;
    }
}

impl World {
    fn new(fetches: bool, settings: &Settings) -> Self {
        Self {
            born: Instant::now(),
            fetches,
            shutdown: CancellationToken::new(),
            began: CancellationToken::new(),
            transitions: Transitions::new(settings),
            engine_failed: CancellationToken::new(),
            presence: Mutex::default(),
            serving_over: Mutex::default(),
            serving_ended: Notify::new(),
            inner: Mutex::default(),
        }
    }

    async fn step(self: &Arc<Self>, operation: Operation, calls: &mut usize) {
        match operation {
            Operation::Pass(time) => sleep(Duration::from_millis(time)).await,
            Operation::HookEnds { well } => {
                let hook = self.inner.lock().unwrap().hook.take();
                // Nobody listens where the run dropped the hook.
                let _ = hook.map(|hook| hook.send(well));
            }
            Operation::Signal => self.shutdown.cancel(),
            Operation::Request(takes) => self.request(takes),
            Operation::Quiescent(answer) => self.inner.lock().unwrap().quiescent = answer,
            Operation::ServingEnds => self.end_serving(false),
            Operation::DiscoveryLost => self.end_serving(true),
            Operation::EngineFails => self.engine_failed.cancel(),
            Operation::Control {
                does,
                takes,
                reply,
                discovery_works,
            } => {
                *calls += 1;
                let call = Call {
                    number: *calls,
                    does,
                    takes,
                    reply,
                    discovery_works,
                };
                tokio::spawn(place::CALL.scope(call, self.clone().control(call)));
            }
        }
    }

    fn see(&self, what: impl Into<String>) {
        let at = self.born.elapsed().as_millis() as u64;
        let mut inner = self.inner.lock().unwrap();
        if !inner.over {
            inner.seen.trace.push((at, what.into()));
        }
    }

    fn request(&self, takes: u64) {
        let ends = Instant::now() + Duration::from_millis(takes);
        let mut inner = self.inner.lock().unwrap();
        if inner.accepts {
            inner.requests.push(ends);
        } else {
            drop(inner);
            self.see("request refused");
        }
    }

    fn end_serving(&self, badly: bool) {
        self.serving_over.lock().unwrap().get_or_insert(badly);
        self.serving_ended.notify_one();
    }

    /// A control as a worker runs it, and what its reply says.
    async fn control(self: Arc<Self>, call: Call) {
        let reply = match call.does.control() {
            Some(name) => self.transitions.control(&*self, name, json!({})).await,
            None if call.does == Does::Drain => Ok(said(self.transitions.drain(&*self).await)),
            None => Ok(said(self.transitions.resume(&*self).await)),
        };
        let message = reply.expect("the engine never raises")["message"].to_string();
        let ends = [
            ("nothing was done", "is refused"),
            ("could not be unregistered", "could not leave"),
            ("does not return", "may not return"),
            ("could not be registered", "could not return"),
        ];
        let end = ends.iter().find(|(part, _)| message.contains(part));
        let end = end.map_or("is over", |(_, end)| end);
        self.see(format!("control {} {end}", call.number));
    }

    fn returned(&self, outcome: &Outcome<String>) {
        let report = &outcome.report;
        let failed = report.failures.iter().map(|(stage, _)| stage.name());
        let failed: Vec<&str> = failed.collect();
        let error = outcome.error.as_ref().map_or("", |error| error.step.name());
        let end = format!(
            "{:?}, error {error:?}, failed {failed:?}, {} finished, {} cut",
            report.reason, report.finished, report.cut
        );
        self.over(end);
    }

    fn killed(&self) {
        self.see("killed");
        self.over("killed".to_owned());
    }

    fn over(&self, end: String) {
        let mut inner = self.inner.lock().unwrap();
        if !inner.over {
            inner.over = true;
            inner.seen.end = end;
        }
    }
}

fn said(done: Result<(), Value>) -> Value {
    done.map_or_else(|refusal| refusal, |()| json!({"status": "ok"}))
}
