//! The small traits that a run drives. The worker implements them on Dynamo; tests implement them
//! in simulated time.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::stage::Stage;
use crate::state::State;

/// The lifecycle hooks of an engine.
#[async_trait]
pub trait Engine: Send + Sync {
    /// What a hook fails with.
    type Error: Display + Send;
    /// What is known of an engine that has started.
    type Started: Send;

    /// Makes the engine ready to serve. Called once at most, never dropped midway.
    async fn start(&self, worker_id: u64) -> Result<Self::Started, Self::Error>;
    /// Fails when the engine can serve no more; returning says that there is nothing to watch.
    /// Called once at most, after `start`, and dropped before `drain`.
    async fn watch(&self) -> Result<(), Self::Error> {
        Ok(())
    }
    /// Resolves when no control is at the engine any more; none comes there once shutdown has begun.
    /// Awaited before `drain`, for a part of its share, so that what ends the engine does not run
    /// beside its own sleep.
    async fn left_alone(&self) {}
    /// Finishes what outlives requests. Called once at most, dropped where its share of the
    /// shutdown ends; not at all where `watch` failed.
    async fn drain(&self) -> Result<(), Self::Error>;
    /// Whether nothing is left to wait for; `None`: the engine cannot tell.
    async fn is_quiescent(&self) -> Result<Option<bool>, Self::Error>;
    /// Gives back what the engine holds. Called exactly once if `start` was called, never dropped.
    async fn cleanup(&self) -> Result<(), Self::Error>;
}

/// What a run begins with: an engine, and the way to a worker of it. Each step gets what the one
/// before it answered.
#[async_trait]
pub trait Host: Engine + Observer {
    /// A runtime that is connected.
    type Connected: Send;
    /// A worker whose engine has started.
    type Worker: Worker<Error = Self::Error>;

    /// Connects the runtime. Called again where it failed; dropped midway when shutdown is asked for
    /// or the time for connecting is up.
    async fn connect(&self) -> Result<Self::Connected, Self::Error>;
    /// The id by which discovery knows the worker.
    fn worker_id(&self, connected: &Self::Connected) -> u64;
    /// Whether `connect`, which failed with `error`, may succeed later. False for what only the
    /// user can mend.
    fn is_worth_retrying(&self, _error: &Self::Error) -> bool {
        true
    }
    /// The error of a run that gave up connecting. `message` says for how long and how often it was
    /// tried, and what failed last.
    fn gave_up(&self, message: String) -> Self::Error;
    /// The error of a step of the host's that panicked.
    fn panicked(&self, message: String) -> Self::Error;
    /// The worker of an engine whose `start` answered `started` after so long.
    fn worker(
        self: &Arc<Self>,
        connected: Self::Connected,
        started: Self::Started,
        took: Duration,
    ) -> Self::Worker;
}

/// A worker whose engine has started: what makes it known, and its requests and their streams.
#[async_trait]
pub trait Worker: Send + Sync {
    /// What a step fails with.
    type Error: Display + Send;
    /// A worker that can be served.
    type Published: Send + Sync;

    /// Metrics, publishers, card and controls (steps 6 and 7). When `shutdown` flips it gives up
    /// fetching at once and answers `None`, and lets any other step finish; it is dropped midway where
    /// its share of the shutdown ends.
    async fn publish(
        &self,
        shutdown: &CancellationToken,
    ) -> Result<Option<Self::Published>, Self::Error>;
    /// Takes back what `publish` made known, however far it got.
    async fn withdraw(&self);
    /// Takes the endpoint's instance out of discovery, also where `serve` was dropped midway; the
    /// card stays. Dropped midway when `within` is over.
    async fn unregister(&self, within: Duration) -> Result<(), Self::Error>;
    /// How long the instance has been out of discovery: a worker that was drained, or that sleeps,
    /// is not waited for again.
    fn absent_for(&self) -> Duration {
        Duration::ZERO
    }
    /// Drops the publishers, after cleanup.
    async fn release(&self);

    /// Begins to serve the endpoint; returns once its instance is registered and callable. When
    /// `stop` flips, as shutdown is asked for or the engine has failed, it lets the instance be
    /// registered, waits for nothing that makes it callable, and returns `Ok`; it is dropped midway
    /// where its share of the shutdown ends.
    async fn serve(
        &self,
        published: &Self::Published,
        stop: &CancellationToken,
    ) -> Result<(), Self::Error>;
    /// Resolves when serving ends by itself, with the reason where it is a failure.
    async fn ended(&self, published: &Self::Published) -> Result<(), Self::Error>;
    /// Requests in flight now.
    fn in_flight(&self) -> usize;
    /// Requests finished since the worker began to serve.
    fn finished(&self) -> u64;
    /// Resolves when nothing is in flight.
    async fn idle(&self);
    /// From here on a new request is answered as by a worker that is unavailable.
    fn refuse(&self);
    /// Ends every request in flight with a typed error on which a frontend migrates; answers how
    /// many there were.
    async fn cut(&self) -> usize;
}

/// Sees what a run does: log lines, states, gauges, the deadline. The run itself logs only how many
/// requests it waits for and what became of them, and that the engine failed.
pub trait Observer: Send + Sync {
    /// An attempt to connect failed, the `attempt`th; the next one begins after `next_in`. To be
    /// logged as a warning.
    fn connect_failed(&self, attempt: u32, next_in: Duration, error: &str);
    /// The worker is in another state.
    fn state_changed(&self, _state: State) {}
    /// Shutdown begins, by whatever way, and ends by `deadline`. Answers how long ago it was asked
    /// for, from when the deadline counts: the run may not have been polled since.
    fn shutdown_began(&self, deadline: Duration) -> Duration;
    /// A stage of the shutdown begins.
    fn stage_began(&self, stage: Stage);
    /// The wait for requests is over: so many finished since shutdown began, so many were cut.
    /// With none cut, the worker is drained. The run has logged it already.
    fn waited(&self, _finished: u64, _cut: usize) {}
    /// A stage of the shutdown ended.
    fn stage_ended(&self, stage: Stage, took: Duration);
    /// A stage failed, which does not fail the run: to be logged as a warning, as an error where
    /// it is cleanup.
    fn stage_failed(&self, stage: Stage, message: &str);
    /// The engine's `start` returned.
    fn started(&self, took: Duration);
    /// Requests are served from here on. Not told where shutdown was asked for meanwhile.
    fn serving(&self);
}
