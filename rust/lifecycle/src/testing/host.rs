//! The fake host: hooks that follow a plan, requests that take simulated time.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::event::Event;
use super::plan::{Answer, Hook, Plan};
use crate::host::{Engine, Host, Observer, Worker};
use crate::shutdown::Budget;
use crate::stage::Stage;
use crate::state::State;

/// The host of one run.
pub(crate) struct FakeHost {
    plan: Plan,
    born: Instant,
    shutdown: CancellationToken,
    lost: CancellationToken,
    engine_failed: CancellationToken,
    /// Flips when shutdown begins.
    began: CancellationToken,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    events: Vec<Event>,
    points: Vec<String>,
    serving_since: Option<Instant>,
    refused_at: Option<Instant>,
    cut_at: Option<Instant>,
    quiescence_polls: usize,
    attempts: u32,
}

impl FakeHost {
    /// A host that is born now.
    pub(super) fn new(plan: &Plan, shutdown: &CancellationToken) -> Self {
        Self {
            plan: plan.clone(),
            born: Instant::now(),
            shutdown: shutdown.clone(),
            lost: CancellationToken::new(),
            engine_failed: CancellationToken::new(),
            began: CancellationToken::new(),
            seen: Mutex::default(),
        }
    }

    /// The events and the points so far, and when serving began.
    pub(super) fn take_seen(&self) -> (Vec<Event>, Vec<String>, Option<Duration>) {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        let serving_since = seen.serving_since.map(|since| since - self.born);
        (seen.events, seen.points, serving_since)
    }

    /// Asks for shutdown, if nobody has yet.
    pub(super) fn ask(&self) {
        if !self.shutdown.is_cancelled() {
            self.saw("shutdown asked");
            self.shutdown.cancel();
        }
    }

    /// Loses discovery, if it is not lost yet.
    pub(super) fn lose(&self) {
        if !self.lost.is_cancelled() {
            self.saw("discovery lost");
            self.lost.cancel();
        }
    }

    /// Has the engine fail, if it has not yet.
    pub(super) fn fail_engine(&self) {
        if !self.engine_failed.is_cancelled() {
            self.saw("engine failed");
            self.engine_failed.cancel();
        }
    }

    /// Resolves at the deadline of a shutdown that has begun.
    pub(super) async fn deadline(&self) {
        self.began.cancelled().await;
        sleep(Budget::new(&self.plan.settings()).deadline()).await;
    }

    pub(super) fn saw(&self, what: impl Into<String>) {
        let at = self.born.elapsed();
        self.seen.lock().unwrap().events.push(Event {
            at,
            what: what.into(),
        });
    }

    /// Passes a point; asks for shutdown where the plan says so.
    fn point(&self, name: String) {
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.points.push(name);
            seen.points.len() - 1
        };
        if self.plan.lose_at_point == Some(number) {
            self.lose();
        }
        if self.plan.fail_at_point == Some(number) {
            self.fail_engine();
        }
        if self.plan.ask_at_point == Some(number) {
            self.ask();
        } else if self.plan.ask_again && self.shutdown.is_cancelled() {
            self.shutdown.cancel();
        }
    }

    async fn hook(&self, name: &str, hook: Hook) -> Result<(), String> {
        self.saw(name);
        self.point(format!("{name} is called"));
        match hook {
            Hook::Takes(seconds) | Hook::Fails(seconds) | Hook::Panics(seconds) => {
                sleep(Duration::from_secs_f64(seconds)).await;
            }
            Hook::Hangs | Hook::IsDeaf => std::future::pending().await,
        }
        self.point(format!("{name} returns"));
        match hook {
            Hook::Fails(_) => Err(format!("{name} failed")),
            // Without the hook of panics, which would print thousands of them.
            Hook::Panics(_) => resume_unwind(Box::new("no room")),
            _ => Ok(()),
        }
    }

    /// When each admitted request arrived and ends, counted from when serving began.
    fn admitted(&self) -> Vec<(Instant, Instant)> {
        let seen = self.seen.lock().unwrap();
        let Some(since) = seen.serving_since else {
            return Vec::new();
        };
        let times = self.plan.requests.iter().map(|request| {
            let arrives = since + Duration::from_secs_f64(request.at);
            (arrives, arrives + Duration::from_secs_f64(request.takes))
        });
        times
            .filter(|(arrives, _)| seen.refused_at.is_none_or(|refused| *arrives < refused))
            .collect()
    }

    fn running(&self) -> Vec<Instant> {
        let now = Instant::now();
        let cut_at = self.seen.lock().unwrap().cut_at;
        let admitted = self.admitted().into_iter();
        admitted
            .filter(|(arrives, ends)| cut_at.is_none() && *arrives <= now && *ends > now)
            .map(|(_, ends)| ends)
            .collect()
    }
}

#[async_trait]
impl Engine for FakeHost {
    type Error = String;
    type Started = ();

    async fn start(&self, worker_id: u64) -> Result<(), String> {
        assert_eq!(worker_id, 7);
        self.hook("start", self.plan.start).await
    }

    async fn watch(&self) -> Result<(), String> {
        let watched = tokio::select! {
            biased;
            watched = self.hook("watch", self.plan.watch) => watched,
            () = self.engine_failed.cancelled() => Err("watch failed".to_owned()),
        };
        if watched.is_err() {
            self.fail_engine();
        }
        watched
    }

    async fn drain(&self) -> Result<(), String> {
        self.hook("drain", self.plan.drain).await
    }

    async fn is_quiescent(&self) -> Result<Option<bool>, String> {
        self.saw("is_quiescent");
        self.point("is_quiescent is called".to_owned());
        let answer = {
            let mut seen = self.seen.lock().unwrap();
            seen.quiescence_polls += 1;
            let last = self.plan.quiescent.len() - 1;
            self.plan.quiescent[last.min(seen.quiescence_polls - 1)]
        };
        match answer {
            Answer::Says(answer) => Ok(answer),
            Answer::Fails => Err("busy".to_owned()),
            Answer::Hangs => std::future::pending().await,
        }
    }

    async fn cleanup(&self) -> Result<(), String> {
        self.hook("cleanup", self.plan.cleanup).await
    }
}

#[async_trait]
impl Host for FakeHost {
    type Connected = u64;
    type Worker = Arc<FakeHost>;

    async fn connect(&self) -> Result<u64, String> {
        let refused = {
            let mut seen = self.seen.lock().unwrap();
            seen.attempts += 1;
            seen.attempts <= self.plan.refusals.attempts
        };
        let hook = match self.plan.connect {
            Hook::Takes(seconds) if refused => Hook::Fails(seconds),
            hook => hook,
        };
        self.hook("connect", hook).await.map(|()| 7)
    }

    fn worker_id(&self, connected: &u64) -> u64 {
        *connected
    }

    fn is_worth_retrying(&self, _error: &String) -> bool {
        self.plan.refusals.worth_retrying
    }

    fn gave_up(&self, message: String) -> String {
        message
    }

    fn panicked(&self, message: String) -> String {
        message
    }

    fn worker(self: &Arc<Self>, _connected: u64, _started: (), _took: Duration) -> Arc<FakeHost> {
        self.clone()
    }
}

#[async_trait]
impl Worker for Arc<FakeHost> {
    type Error = String;
    type Published = ();

    async fn publish(&self, shutdown: &CancellationToken) -> Result<Option<()>, String> {
        // The fetch gives up at once, as the trait demands; a failure is one of another step.
        let gives_up = matches!(self.plan.publish, Hook::Takes(_) | Hook::Hangs);
        tokio::select! {
            biased;
            () = shutdown.cancelled(), if gives_up => Ok(None),
            published = self.hook("publish", self.plan.publish) => published.map(Some),
        }
    }

    async fn withdraw(&self) {
        let _ = self.hook("withdraw", self.plan.withdraw).await;
    }

    async fn unregister(&self, _within: Duration) -> Result<(), String> {
        self.hook("unregister", self.plan.unregister).await
    }

    async fn release(&self) {
        let _ = self.hook("release", self.plan.release).await;
    }

    async fn serve(&self, _published: &(), stop: &CancellationToken) -> Result<(), String> {
        // What hangs is the wait for its being callable.
        tokio::select! {
            biased;
            () = stop.cancelled(), if self.plan.serve == Hook::Hangs => {}
            served = self.hook("serve", self.plan.serve) => served?,
        }
        self.seen.lock().unwrap().serving_since = Some(Instant::now());
        Ok(())
    }

    async fn ended(&self, _published: &()) -> Result<(), String> {
        let ended = tokio::select! {
            biased;
            ended = self.hook("ended", self.plan.ended) => ended,
            () = self.lost.cancelled() => Ok(()),
        };
        if self.lost.is_cancelled() {
            return Err("discovery was lost".to_owned());
        }
        ended
    }

    fn in_flight(&self) -> usize {
        self.running().len()
    }

    fn finished(&self) -> u64 {
        let now = Instant::now();
        let cut_at = self.seen.lock().unwrap().cut_at.unwrap_or(now);
        let ends = self.admitted().into_iter().map(|(_, ends)| ends);
        ends.filter(|ends| *ends <= now.min(cut_at)).count() as u64
    }

    async fn idle(&self) {
        self.point("idle is awaited".to_owned());
        while let Some(ends) = self.running().into_iter().min() {
            sleep_until(ends).await;
            self.point("a request finished".to_owned());
        }
    }

    fn refuse(&self) {
        self.saw("refuse");
        self.seen.lock().unwrap().refused_at = Some(Instant::now());
    }

    async fn cut(&self) -> usize {
        let cut = self.in_flight();
        let _ = self.hook("cut", self.plan.cut).await;
        self.seen.lock().unwrap().cut_at = Some(Instant::now());
        cut
    }
}

impl Observer for FakeHost {
    fn connect_failed(&self, attempt: u32, next_in: Duration, error: &str) {
        self.saw(format!(
            "attempt {attempt} failed: {error}; next in {next_in:?}"
        ));
    }

    fn state_changed(&self, state: State) {
        self.saw(format!("state {state}"));
    }

    fn shutdown_began(&self, deadline: Duration) -> Duration {
        assert_eq!(
            deadline,
            self.plan.settings().timeout + self.plan.settings().grace
        );
        self.saw("shutdown began");
        self.began.cancel();
        Duration::from_secs_f64(self.plan.seen_late)
    }

    fn stage_began(&self, stage: Stage) {
        let in_flight = self.running().len();
        self.saw(format!("stage {stage} began with {in_flight}"));
    }

    fn waited(&self, finished: u64, cut: usize) {
        self.saw(format!("waited: {finished} finished, {cut} cut"));
    }

    fn stage_ended(&self, stage: Stage, _took: Duration) {
        self.saw(format!("stage {stage} ended"));
    }

    fn stage_failed(&self, stage: Stage, _message: &str) {
        self.saw(format!("stage {stage} failed"));
    }

    fn started(&self, took: Duration) {
        self.saw(format!("started in {took:?}"));
    }

    fn serving(&self) {
        self.saw("serving");
    }
}
