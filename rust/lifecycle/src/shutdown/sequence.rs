//! The shutdown sequence: unregister, grace, wait, drain, cleanup, release.
//!
//! Every stage but cleanup and release is bounded by its share of the [`Budget`]; these two end
//! with the deadline, which is kept outside this crate. A stage that fails is told to the observer
//! and recorded, and the next one runs.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Budget, Clock};
use crate::host::{Host, Worker};
use crate::panics::caught;
use crate::report::Report;
use crate::stage::Stage;
use crate::state::{Event, Machine};
use crate::watch::Watch;

/// How often a prefill engine is asked whether it is quiescent.
const QUIESCENCE_INTERVAL: Duration = Duration::from_millis(500);
/// How long discovery gets to forget a worker whose engine has failed: its requests wait for that,
/// as whoever is cut is not to come back here.
const UNREGISTER_OF_FAILED: Duration = Duration::from_secs(1);

/// One shutdown of one host, whichever way leads into it.
pub(crate) struct Sequence<'a, H> {
    pub(crate) clock: Clock<'a, H>,
    pub(crate) machine: Machine,
    pub(crate) report: Report,
    host: &'a H,
    budget: Budget,
}

/// A stage that is running.
struct Running {
    stage: Stage,
    since: Instant,
}

impl<'a, H: Host> Sequence<'a, H> {
    pub(crate) fn new(host: &'a H, budget: Budget) -> Self {
        Self {
            clock: Clock::new(host, budget.deadline()),
            machine: Machine::new(),
            report: Report::new(),
            host,
            budget,
        }
    }

    /// Lets a step before serving finish; answers `None` where it was dropped. Shutdown that begins
    /// in it, or an engine that fails and so flips `stop`, leaves the step its share: one that hangs
    /// would take the engine's cleanup with it.
    pub(crate) async fn finish<T>(
        &mut self,
        stop: &CancellationToken,
        watch: &mut Watch<'_, H::Error>,
        step: &str,
        work: impl Future<Output = Result<T, H::Error>>,
    ) -> Result<Option<T>, H::Error> {
        let limit = self.budget.finish();
        let mut work = pin!(caught(self.host, step, work));
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            result = &mut work => {
                // What fails beside an engine that failed does so because of it.
                watch.look().await;
                return result.map(Some);
            }
            () = watch.failure() => stop.cancel(),
        }
        self.clock.begin();
        match timeout(limit, work).await {
            Ok(result) => result.map(Some),
            Err(_) => {
                let message = format!("{step} did not end within {limit:?} and was dropped");
                self.failed(Stage::Unregister, message);
                Ok(None)
            }
        }
    }

    /// Of a worker that has begun to serve: everything. An engine that has failed, or does so
    /// meanwhile, finishes no request and has nothing to drain.
    pub(crate) async fn after_serving(
        &mut self,
        worker: &H::Worker,
        polls_quiescence: bool,
        mut watch: Watch<'_, H::Error>,
    ) {
        self.clock.begin();
        let finished_before = worker.finished();
        self.unregister(worker, watch.has_failed()).await;
        self.grace(worker, &mut watch).await;
        self.wait(worker, finished_before, &mut watch).await;
        if let Some(error) = watch.tell() {
            self.failed(Stage::Wait, format!("engine: {error}"));
        }
        let has_failed = watch.has_failed();
        drop(watch);
        if !has_failed {
            self.drain(polls_quiescence).await;
        }
        self.cleanup().await;
        self.release(worker).await;
    }

    /// Of a worker that was asked to stop between `start` and serving. Nothing was registered, so
    /// there is no grace, and no request that an engine could have to become quiescent after.
    pub(crate) async fn before_serving(&mut self, published: Option<&H::Worker>) {
        self.clock.begin();
        if let Some(worker) = published {
            self.withdraw(worker).await;
        }
        self.drain(false).await;
        self.cleanup().await;
        if let Some(worker) = published {
            self.release(worker).await;
        }
    }

    /// Of a worker on which a step failed between `start` and serving.
    pub(crate) async fn after_failure(&mut self, worker: &H::Worker) {
        self.clock.begin();
        self.withdraw(worker).await;
        self.cleanup().await;
        self.release(worker).await;
    }

    /// Takes the instance out of discovery.
    async fn unregister(&mut self, worker: &H::Worker, engine_failed: bool) {
        let mut limit = self.budget.unregister(self.clock.elapsed());
        if engine_failed {
            limit = limit.min(UNREGISTER_OF_FAILED);
        }
        let running = self.enter(Stage::Unregister);
        self.bounded(Stage::Unregister, limit, worker.unregister(limit))
            .await;
        self.leave(running);
    }

    /// Takes back what was published, before any instance was registered.
    async fn withdraw(&mut self, worker: &H::Worker) {
        let limit = self.budget.withdraw(self.clock.elapsed());
        let running = self.enter(Stage::Unregister);
        let withdrawn = async {
            worker.withdraw().await;
            Ok(())
        };
        self.bounded(Stage::Unregister, limit, withdrawn).await;
        self.leave(running);
    }

    /// Gives routers time to see that the instance is gone.
    async fn grace(&mut self, worker: &H::Worker, watch: &mut Watch<'_, H::Error>) {
        let running = self.enter(Stage::Grace);
        let absent = worker.absent_for();
        let left = self.budget.grace().saturating_sub(absent);
        tokio::select! {
            biased;
            () = watch.failure() => {}
            () = sleep(left) => {}
        }
        self.leave(running);
    }

    /// Lets the requests in flight finish, and cuts those that do not.
    ///
    /// A request that is refused is lost at a frontend that does not migrate, so late ones are
    /// served until nothing is in flight or half of the time is used.
    async fn wait(
        &mut self,
        worker: &H::Worker,
        finished_before: u64,
        watch: &mut Watch<'_, H::Error>,
    ) {
        let running = self.enter(Stage::Wait);
        let share = self.budget.wait(self.clock.elapsed());
        let in_flight = worker.in_flight();
        if in_flight > 0 && !watch.has_failed() {
            info!("waiting for {in_flight} requests in flight, {share:?} at most");
        }

        tokio::select! {
            biased;
            _ = timeout(share / 2, worker.idle()) => {}
            () = watch.failure() => {}
        }
        worker.refuse();
        let left = share.saturating_sub(running.since.elapsed());
        let idle = tokio::select! {
            biased;
            idle = timeout(left, worker.idle()) => idle.is_ok(),
            () = watch.failure() => false,
        };

        let finished = worker.finished().saturating_sub(finished_before);
        self.report.finished = finished;
        if !idle {
            self.report.cut = self.cut(worker).await;
        }
        let cut = self.report.cut;
        if cut == 0 {
            info!("drained: {finished} requests finished, none was cut");
        } else {
            let waited = running.since.elapsed();
            warn!("{finished} requests finished, {cut} were cut after {waited:.1?}");
        }
        self.host.waited(finished, cut);
        self.leave(running);
    }

    /// Ends every request in flight; answers how many there were.
    async fn cut(&mut self, worker: &H::Worker) -> usize {
        let in_flight = worker.in_flight();
        // Half of what is left, so that a cut that hangs leaves the drain the other half.
        let limit = self.budget.drain(self.clock.elapsed()) / 2;
        match timeout(limit, worker.cut()).await {
            Ok(cut) => cut,
            Err(_) => {
                let message = format!("cutting {in_flight} requests took longer than {limit:?}");
                self.failed(Stage::Wait, message);
                in_flight
            }
        }
    }

    /// Drains the engine when its controls are over, and where it is to be asked, waits until it is
    /// quiescent.
    async fn drain(&mut self, polls_quiescence: bool) {
        let running = self.enter(Stage::Drain);
        // Half of what is left, so that a control that hangs leaves the drain the other half.
        let limit = self.budget.drain(self.clock.elapsed()) / 2;
        if timeout(limit, self.host.left_alone()).await.is_err() {
            let message = format!("an engine control or update was still at work after {limit:?}");
            self.failed(Stage::Drain, message);
        }
        let limit = self.budget.drain(self.clock.elapsed());
        self.bounded(Stage::Drain, limit, self.host.drain()).await;
        if polls_quiescence {
            self.until_quiescent().await;
        }
        self.leave(running);
    }

    async fn until_quiescent(&mut self) {
        let limit = self.budget.quiescence(self.clock.elapsed());
        if limit.is_zero() {
            return;
        }
        let host = self.host;
        let mut last = "it never answered".to_owned();
        let mut can_tell = true;
        let polling = async {
            loop {
                match host.is_quiescent().await {
                    Ok(Some(true)) => return,
                    Ok(answer) => {
                        can_tell = answer.is_some();
                        last = "it answered that it is not".to_owned();
                    }
                    Err(error) => {
                        can_tell = true;
                        last = format!("asking failed: {error}");
                    }
                }
                sleep(QUIESCENCE_INTERVAL).await;
            }
        };
        // An engine that cannot tell got the time it may need; that is no failure.
        if timeout(limit, polling).await.is_err() && can_tell {
            self.failed(
                Stage::Drain,
                format!("the engine was not quiescent after {limit:?}: {last}"),
            );
        }
    }

    /// Calls the engine's `cleanup` if it is owed; does nothing otherwise.
    pub(crate) async fn cleanup(&mut self) {
        if !self.machine.owes_cleanup() {
            return;
        }
        let running = self.enter(Stage::Cleanup);
        if let Err(error) = self.host.cleanup().await {
            self.failed(Stage::Cleanup, error.to_string());
        }
        self.leave(running);
        self.apply(Event::CleanedUp);
    }

    /// Drops the publishers, through which the engine may write until its cleanup is over.
    async fn release(&mut self, worker: &H::Worker) {
        let running = self.enter(Stage::Release);
        let released = async {
            worker.release().await;
            Ok(())
        };
        if let Err(error) = caught(self.host, "release", released).await {
            self.failed(Stage::Release, error.to_string());
        }
        self.leave(running);
    }

    /// Moves the worker's state, and tells it.
    pub(crate) fn apply(&mut self, event: Event) {
        let state = self.machine.apply(event);
        self.host.state_changed(state);
    }

    /// Runs `work` for `limit` at most; records its failure or that it was dropped.
    async fn bounded(
        &mut self,
        stage: Stage,
        limit: Duration,
        work: impl Future<Output = Result<(), H::Error>>,
    ) {
        match timeout(limit, caught(self.host, stage.name(), work)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.failed(stage, error.to_string()),
            Err(_) => self.failed(
                stage,
                format!("did not end within {limit:?} and was dropped"),
            ),
        }
    }

    fn enter(&mut self, stage: Stage) -> Running {
        self.host.stage_began(stage);
        Running {
            stage,
            since: Instant::now(),
        }
    }

    fn leave(&mut self, running: Running) {
        let took = running.since.elapsed();
        self.host.stage_ended(running.stage, took);
        self.report.stages.push((running.stage, took));
    }

    fn failed(&mut self, stage: Stage, message: String) {
        self.host.stage_failed(stage, &message);
        self.report.failures.push((stage, message));
    }
}

#[cfg(test)]
mod tests;
