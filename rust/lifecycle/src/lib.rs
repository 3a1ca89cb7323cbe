//! What a worker does from its start to its exit, without Dynamo and without Python.
//!
//! A worker hosts one engine: it connects, starts the engine, makes it known, serves requests, and
//! when it is told to stop it takes itself out of discovery, waits for the requests in flight,
//! drains and cleans up, all within a deadline. This crate holds the decisions of that life; the
//! crate `dynamo-backend-worker` supplies what acts.
//!
//! Read in this order:
//!
//! 1. [`state`]: the four states of a worker and the one table of transitions.
//! 2. [`host`]: the traits that a run drives. The worker implements them on Dynamo's runtime, the
//!    tests of this crate in simulated time.
//! 3. [`run`](run()): the run as a numbered list of steps. It calls [`host::Engine::cleanup`]
//!    exactly once if it called [`host::Engine::start`], whatever happened in between.
//! 4. [`shutdown`]: the arithmetic of its deadline, and the sequence.
//! 5. [`report`]: what is known when a run is over.
//!
//! Three modules stand for themselves: [`settings`] reads the environment (nothing else does),
//! [`controls`] decides what an engine control does to discovery, [`canary`] chooses the payload
//! of the health probe, and when it is sent.
//!
//! Time is tokio's, so a test with paused time sees hours pass in microseconds; no part of this
//! crate looks at a clock of its own.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod canary;
pub mod controls;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod host;
#[cfg(test)]
mod model;
mod panics;
pub mod report;
mod run;
pub mod settings;
pub mod shutdown;
mod stage;
pub mod state;
#[cfg(test)]
mod testing;
mod watch;

pub use canary::HEALTH_CHECK_KEY;
pub use host::{Engine, Host, Observer, Worker};
pub use report::{Outcome, Reason, Report, RunError, Step};
pub use run::run;
pub use settings::Settings;
pub use shutdown::Budget;
pub use stage::Stage;
pub use state::State;
