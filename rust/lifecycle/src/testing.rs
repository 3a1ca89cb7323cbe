//! A host in simulated time, and the means to disturb a run at any point.
//!
//! Every hook of the host passes numbered *points*: one when it is entered, one after everything
//! that it awaits. A [`Plan`] says how the engine behaves and at which point shutdown is asked
//! for, so a plan that prints is a failure that can be replayed.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::host::{Discovery, Engine, Observer, Serving};
use crate::report::Outcome;
use crate::settings::Settings;
use crate::shutdown::Stage;
use crate::state::State;

/// How one hook behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hook {
    /// Succeeds after these seconds.
    Takes(f64),
    /// Fails after these seconds.
    Fails(f64),
    /// Never returns.
    Hangs,
}

/// A request of a plan: seconds since serving began until it arrives, seconds that it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Arrival {
    pub at: f64,
    pub takes: f64,
}

/// What the host does, and when shutdown is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub grace: f64,
    pub timeout: u64,
    pub prefill_drain: f64,
    pub polls_quiescence: bool,

    pub connect: Hook,
    pub start: Hook,
    pub publish: Hook,
    pub serve: Hook,
    /// How serving ends by itself; `Hangs` where it does not.
    pub ended: Hook,
    pub unregister: Hook,
    pub withdraw: Hook,
    pub drain: Hook,
    /// The answers of `is_quiescent` in turn, the last one for good.
    pub quiescent: Vec<Result<Option<bool>, &'static str>>,
    pub cut: Hook,
    pub cleanup: Hook,
    pub requests: Vec<Arrival>,

    /// Seconds into the run at which shutdown is asked for.
    pub ask_at: f64,
    /// The point at which it is asked for, where that comes first.
    pub ask_at_point: Option<usize>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            grace: 5.0,
            timeout: 30,
            prefill_drain: 30.0,
            polls_quiescence: false,
            connect: Hook::Takes(0.5),
            start: Hook::Takes(3.0),
            publish: Hook::Takes(1.0),
            serve: Hook::Takes(0.25),
            ended: Hook::Hangs,
            unregister: Hook::Takes(0.25),
            withdraw: Hook::Takes(0.25),
            drain: Hook::Takes(0.5),
            quiescent: vec![Ok(Some(true))],
            cut: Hook::Takes(0.0),
            cleanup: Hook::Takes(2.0),
            requests: Vec::new(),
            ask_at: 100.0,
            ask_at_point: None,
        }
    }
}

impl Plan {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            grace: Duration::from_secs_f64(self.grace),
            timeout: Duration::from_secs(self.timeout),
            prefill_drain: Duration::from_secs_f64(self.prefill_drain),
        }
    }
}

/// Something that the host saw, and when, counted from the beginning of the run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub at: Duration,
    pub what: String,
}

/// The host of one run.
pub(crate) struct FakeHost {
    plan: Plan,
    born: Instant,
    shutdown: CancellationToken,
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
}

/// All that is known after a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub outcome: Outcome<String>,
    pub events: Vec<Event>,
    /// The points that were passed, in order.
    pub points: Vec<String>,
}

/// Runs `plan` to its end in simulated time.
pub(crate) fn play(plan: &Plan) -> Ran {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let host = FakeHost {
            plan: plan.clone(),
            born: Instant::now(),
            shutdown: shutdown.clone(),
            seen: Mutex::default(),
        };
        let settings = plan.settings();
        let run = crate::run(&host, &shutdown, &settings, plan.polls_quiescence);
        let ask = async {
            sleep(Duration::from_secs_f64(plan.ask_at)).await;
            host.ask();
            std::future::pending::<()>().await
        };
        let outcome = tokio::select! {
            outcome = run => outcome,
            () = ask => unreachable!("asking never ends"),
        };
        let seen = host.seen.into_inner().unwrap();
        Ran {
            outcome,
            events: seen.events,
            points: seen.points,
        }
    })
}

impl Ran {
    /// The names of the hooks that were entered, states, and what the observer saw of requests;
    /// without the stages.
    pub(crate) fn calls(&self) -> Vec<&str> {
        let all = self.events.iter().map(|event| event.what.as_str());
        all.filter(|what| !what.starts_with("stage ") && !what.starts_with("shutdown asked"))
            .collect()
    }

    /// When `what` happened first.
    pub(crate) fn first(&self, what: &str) -> Option<Duration> {
        self.events
            .iter()
            .find(|event| event.what == what)
            .map(|event| event.at)
    }

    /// How often `what` happened.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.events
            .iter()
            .filter(|event| event.what == what)
            .count()
    }

    /// Seconds from the beginning of shutdown to `what`.
    pub(crate) fn into_shutdown(&self, what: &str) -> f64 {
        let at = self
            .first(what)
            .unwrap_or_else(|| panic!("no {what}: {:#?}", self.events));
        (at - self.first("shutdown began").unwrap()).as_secs_f64()
    }

    /// Seconds from the beginning of shutdown to the end of the run.
    pub(crate) fn shutdown_took(&self) -> f64 {
        let last = self.events.last().unwrap().at;
        (last - self.first("shutdown began").unwrap()).as_secs_f64()
    }

    /// The stages that ran, in order.
    pub(crate) fn stages(&self) -> Vec<Stage> {
        self.outcome
            .report
            .stages
            .iter()
            .map(|(stage, _)| *stage)
            .collect()
    }

    /// The stages that failed, in order.
    pub(crate) fn failed_stages(&self) -> Vec<Stage> {
        self.outcome
            .report
            .failures
            .iter()
            .map(|(stage, _)| *stage)
            .collect()
    }
}

impl FakeHost {
    fn ask(&self) {
        if !self.shutdown.is_cancelled() {
            self.saw("shutdown asked");
            self.shutdown.cancel();
        }
    }

    fn saw(&self, what: impl Into<String>) {
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
        if self.plan.ask_at_point == Some(number) {
            self.ask();
        }
    }

    async fn hook(&self, name: &str, hook: Hook) -> Result<(), String> {
        self.saw(name);
        self.point(format!("{name} is called"));
        match hook {
            Hook::Takes(seconds) | Hook::Fails(seconds) => {
                sleep(Duration::from_secs_f64(seconds)).await;
            }
            Hook::Hangs => std::future::pending().await,
        }
        self.point(format!("{name} returns"));
        match hook {
            Hook::Fails(_) => Err(format!("{name} failed")),
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

    async fn start(&self, worker_id: u64) -> Result<(), String> {
        assert_eq!(worker_id, 7);
        self.hook("start", self.plan.start).await
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
        answer.map_err(str::to_owned)
    }

    async fn cleanup(&self) -> Result<(), String> {
        self.hook("cleanup", self.plan.cleanup).await
    }
}

#[async_trait]
impl Discovery for FakeHost {
    type Error = String;

    async fn connect(&self) -> Result<u64, String> {
        self.hook("connect", self.plan.connect).await.map(|()| 7)
    }

    async fn publish(&self, shutdown: &CancellationToken) -> Result<(), String> {
        // The fetch gives up at once, as the trait demands; a failure is one of another step.
        tokio::select! {
            biased;
            () = shutdown.cancelled(), if !matches!(self.plan.publish, Hook::Fails(_)) => Ok(()),
            published = self.hook("publish", self.plan.publish) => published,
        }
    }

    async fn withdraw(&self) {
        let _ = self.hook("withdraw", self.plan.withdraw).await;
    }

    async fn unregister(&self) -> Result<(), String> {
        self.hook("unregister", self.plan.unregister).await
    }

    async fn release(&self) {
        let _ = self.hook("release", Hook::Takes(0.0)).await;
    }
}

#[async_trait]
impl Serving for FakeHost {
    type Error = String;

    async fn serve(&self) -> Result<(), String> {
        self.hook("serve", self.plan.serve).await?;
        self.seen.lock().unwrap().serving_since = Some(Instant::now());
        Ok(())
    }

    async fn ended(&self) -> Result<(), String> {
        self.hook("ended", self.plan.ended).await
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
    fn state_changed(&self, state: State) {
        self.saw(format!("state {state}"));
    }

    fn shutdown_began(&self, deadline: Duration) {
        assert_eq!(
            deadline,
            self.plan.settings().timeout + self.plan.settings().grace
        );
        self.saw("shutdown began");
    }

    fn stage_began(&self, stage: Stage, in_flight: usize) {
        self.saw(format!("stage {stage} began with {in_flight}"));
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
