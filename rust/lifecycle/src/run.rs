//! The run of a worker: the numbered list of the contract's section 4, from connecting to the end.
//!
//! Steps 1 and 2 (the configuration's check, the signal handlers) come before a run and belong to
//! whoever owns the process, as the runtime's own shutdown does afterwards. Step 8, the hold on the
//! runtime's tracker, is the worker's, which the host makes behind step 5.

mod connecting;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::host::{Host, Worker};
use crate::panics::caught;
use crate::report::{Outcome, Reason, RunError, Step};
use crate::settings::Settings;
use crate::shutdown::{Budget, Sequence};
use crate::state::Event;
use crate::watch::Watch;

/// Runs one engine from connecting to the end of its cleanup.
///
/// `shutdown` may flip at any time, also before the call. From the moment that it flips, or that
/// the run turns to its end by itself, the host's [`Observer::shutdown_began`] has been told the
/// deadline: exactly once in every run, also in one that fails to connect. `polls_quiescence` is
/// for prefill workers, whose engine is asked after `drain` whether it is quiescent.
///
/// A shutdown that was asked for is a success, also where one of its stages failed. An error is
/// that of the step that failed, whatever the cleanup after it says. An engine that fails by its
/// [`watch`](Engine::watch) ends the run: its requests are cut, and it is cleaned up but not
/// drained.
///
/// The run must be polled to its end: dropped midway, it leaves the engine without its cleanup.
///
/// ```
/// # use std::sync::Arc;
/// # use std::time::Duration;
/// # use async_trait::async_trait;
/// # use dynamo_backend_lifecycle::{Engine, Host, Observer, Reason, Settings, Stage, Worker};
/// # use tokio_util::sync::CancellationToken;
/// # struct Laptop;
/// # #[async_trait]
/// # impl Engine for Laptop {
/// #     type Error = String;
/// #     type Started = ();
/// #     async fn start(&self, _: u64) -> Result<(), String> { Ok(()) }
/// #     async fn drain(&self) -> Result<(), String> { Ok(()) }
/// #     async fn is_quiescent(&self) -> Result<Option<bool>, String> { Ok(None) }
/// #     async fn cleanup(&self) -> Result<(), String> { Ok(()) }
/// # }
/// # #[async_trait]
/// # impl Host for Laptop {
/// #     type Connected = u64;
/// #     type Worker = Alone;
/// #     async fn connect(&self) -> Result<u64, String> { Ok(1) }
/// #     fn worker_id(&self, connected: &u64) -> u64 { *connected }
/// #     fn gave_up(&self, message: String) -> String { message }
/// #     fn panicked(&self, message: String) -> String { message }
/// #     fn worker(self: &Arc<Self>, _: u64, _: (), _: Duration) -> Alone { Alone }
/// # }
/// # struct Alone;
/// # #[async_trait]
/// # impl Worker for Alone {
/// #     type Error = String;
/// #     type Published = ();
/// #     async fn publish(&self, _: &CancellationToken) -> Result<Option<()>, String> { Ok(Some(())) }
/// #     async fn withdraw(&self) {}
/// #     async fn unregister(&self, _: Duration) -> Result<(), String> { Ok(()) }
/// #     async fn release(&self) {}
/// #     async fn serve(&self, _: &(), _: &CancellationToken) -> Result<(), String> { Ok(()) }
/// #     async fn ended(&self, _: &()) -> Result<(), String> { Ok(()) }
/// #     fn in_flight(&self) -> usize { 0 }
/// #     fn finished(&self) -> u64 { 0 }
/// #     async fn idle(&self) {}
/// #     fn refuse(&self) {}
/// #     async fn cut(&self) -> usize { 0 }
/// # }
/// # impl Observer for Laptop {
/// #     fn connect_failed(&self, _: u32, _: Duration, _: &str) {}
/// #     fn shutdown_began(&self, _: Duration) -> Duration { Duration::ZERO }
/// #     fn stage_began(&self, _: Stage) {}
/// #     fn stage_ended(&self, _: Stage, _: Duration) {}
/// #     fn stage_failed(&self, _: Stage, _: &str) {}
/// #     fn started(&self, _: Duration) {}
/// #     fn serving(&self) {}
/// # }
/// # let runtime = tokio::runtime::Builder::new_current_thread()
/// #     .enable_time().start_paused(true).build().unwrap();
/// # runtime.block_on(async {
/// let (host, shutdown) = (Arc::new(Laptop), CancellationToken::new());
/// let outcome = dynamo_backend_lifecycle::run(&host, &shutdown, &Settings::default(), false).await;
///
/// assert_eq!(outcome.report.reason, Reason::Ended); // this host stops serving by itself
/// assert_eq!(outcome.report.took(Stage::Grace), Some(Duration::from_secs(5)));
/// assert!(outcome.error.is_none());
/// # });
/// ```
pub async fn run<H: Host>(
    host: &Arc<H>,
    shutdown: &CancellationToken,
    settings: &Settings,
    polls_quiescence: bool,
) -> Outcome<H::Error> {
    let mut run = Run {
        host,
        shutdown,
        connect_limit: settings.connect,
        polls_quiescence,
        down: Sequence::new(&**host, Budget::new(settings)),
    };
    let ended = run.steps().await;

    // 11. Cleanup once more, which does nothing where it ran.
    run.down.clock.begin();
    run.down.cleanup().await;

    let mut report = run.down.report;
    let (reason, error) = match ended {
        Ok(reason) => (reason, None),
        Err(error) => (Reason::Failed, Some(error)),
    };
    report.reason = reason;
    Outcome { report, error }
}

struct Run<'a, H> {
    host: &'a Arc<H>,
    shutdown: &'a CancellationToken,
    connect_limit: Duration,
    polls_quiescence: bool,
    down: Sequence<'a, H>,
}

type Published<H> = <<H as Host>::Worker as Worker>::Published;

impl<H: Host> Run<'_, H> {
    async fn steps(&mut self) -> Result<Reason, RunError<H::Error>> {
        // 3. Connect. 4. Shutdown asked for by now: start never runs.
        let Some(connected) = self.connect().await? else {
            return Ok(Reason::Asked);
        };

        // 5. Start the engine. If it fails: cleanup alone, by step 11.
        let worker = self.start(connected).await?;
        if self.shutdown.is_cancelled() {
            self.down.before_serving(None).await;
            return Ok(Reason::Asked);
        }

        // 6. and 7. Metrics, publishers, card, controls. 12. An error here: withdraw, cleanup.
        let mut watch = Watch::begin(&**self.host);
        let published = match self.publish(&worker, &mut watch).await {
            Ok(published) => published,
            Err(error) => {
                drop(watch);
                self.down.after_failure(&worker).await;
                return Err(error);
            }
        };
        let Some(published) = published.filter(|_| !self.shutdown.is_cancelled()) else {
            drop(watch);
            self.down.before_serving(Some(&worker)).await;
            return Ok(Reason::Asked);
        };

        // 9. and 10. Serve until it ends, the engine fails or shutdown is asked for; then the
        // shutdown sequence.
        let served = self.serve(&worker, &published, &mut watch).await;
        let polls = self.polls_quiescence;
        self.down.after_serving(&worker, polls, watch).await;
        served
    }

    /// Answers `None` where shutdown was asked for meanwhile.
    async fn connect(&mut self) -> Result<Option<H::Connected>, RunError<H::Error>> {
        let host = &**self.host;
        let connect = connecting::connect(host, self.connect_limit);
        let connected = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Ok(None),
            connected = caught(host, "connecting", connect) => connected.map(Some),
        };
        // The token may have flipped while `connect` was polled for the last time.
        let connected = match connected {
            _ if self.shutdown.is_cancelled() => Ok(None),
            other => other,
        };
        if !matches!(connected, Ok(Some(_))) {
            self.down.clock.begin();
            self.down.apply(Event::NeverStarted);
        }
        connected.map_err(at(Step::Connect))
    }

    async fn start(&mut self, connected: H::Connected) -> Result<H::Worker, RunError<H::Error>> {
        let since = tokio::time::Instant::now();
        self.down.machine.call_start();
        let start = self.host.start(self.host.worker_id(&connected));
        let result = self.down.clock.watch(self.shutdown, start).await;
        match result {
            Ok(started) => {
                self.down.apply(Event::StartReturned);
                let took = since.elapsed();
                self.host.started(took);
                Ok(self.host.worker(connected, started, took))
            }
            Err(error) => {
                self.down.apply(Event::StartRaised);
                Err(at(Step::Start)(error))
            }
        }
    }

    async fn publish(
        &mut self,
        worker: &H::Worker,
        watch: &mut Watch<'_, H::Error>,
    ) -> Result<Option<Published<H>>, RunError<H::Error>> {
        let stop = self.shutdown.child_token();
        let publish = worker.publish(&stop);
        let result = self.down.finish(&stop, watch, "publishing", publish).await;
        alive(watch)?;
        result.map(Option::flatten).map_err(at(Step::Publish))
    }

    async fn serve(
        &mut self,
        worker: &H::Worker,
        published: &Published<H>,
        watch: &mut Watch<'_, H::Error>,
    ) -> Result<Reason, RunError<H::Error>> {
        let stop = self.shutdown.child_token();
        let serve = worker.serve(published, &stop);
        let result = self.down.finish(&stop, watch, "serving", serve).await;
        alive(watch)?;
        result.map_err(at(Step::Serve))?;
        if !self.shutdown.is_cancelled() {
            self.host.serving();
        }
        tokio::select! {
            biased;
            ended = caught(&**self.host, "serving", worker.ended(published)) => {
                return ended.map(|()| Reason::Ended).map_err(at(Step::Serve));
            }
            () = self.shutdown.cancelled() => return Ok(Reason::Asked),
            () = watch.failure() => {}
        }
        alive(watch)?;
        Ok(Reason::Asked)
    }
}

/// The error of an engine that has failed.
fn alive<E: Display>(watch: &mut Watch<'_, E>) -> Result<(), RunError<E>> {
    watch
        .tell()
        .map_or(Ok(()), |error| Err(at(Step::Engine)(error)))
}

/// Tags an error with the step that it came from.
fn at<E>(step: Step) -> impl FnOnce(E) -> RunError<E> {
    move |error| RunError { step, error }
}

#[cfg(test)]
mod disturbed;
#[cfg(test)]
mod engine_fails;
#[cfg(test)]
mod tests;
