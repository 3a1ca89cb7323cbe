//! A host in simulated time, and the means to disturb a run at any point.
//!
//! Every hook of the host passes numbered *points*: one when it is entered, one after everything
//! that it awaits. A [`Plan`] says how the engine behaves and at which point shutdown is asked
//! for, so a plan that prints is a failure that can be replayed.

mod event;
mod host;
mod plan;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub(crate) use event::Event;
pub(crate) use host::FakeHost;
pub(crate) use plan::{Answer, Arrival, Hook, Plan, Refusals};

use crate::report::{Outcome, Report};
use crate::stage::Stage;

/// All that is known after a run.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `None` where the process's end at the deadline came first.
    pub outcome: Option<Outcome<String>>,
    pub events: Vec<Event>,
    /// The points that were passed, in order.
    pub points: Vec<String>,
    /// When the worker began to serve.
    pub serving_since: Option<Duration>,
    /// How often the run was polled.
    pub polls: usize,
}

/// Runs `plan` to its end in simulated time.
pub(crate) fn play(plan: &Plan) -> Ran {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    runtime.block_on(play_here(plan))
}

/// The same on the current runtime, whose time is paused.
pub(crate) async fn play_here(plan: &Plan) -> Ran {
    let shutdown = CancellationToken::new();
    let host = Arc::new(FakeHost::new(plan, &shutdown));
    let settings = plan.settings();
    let (polls, outcome) = {
        let mut run = pin!(crate::run(
            &host,
            &shutdown,
            &settings,
            plan.polls_quiescence
        ));
        let mut polls = 0;
        let run = poll_fn(|context| {
            if plan.lose_at_poll == Some(polls) {
                host.lose();
            }
            if plan.fail_at_poll == Some(polls) {
                host.fail_engine();
            }
            if plan.ask_at_poll == Some(polls) {
                host.ask();
            }
            polls += 1;
            run.as_mut().poll(context)
        });
        let ask = async {
            sleep(Duration::from_secs_f64(plan.ask_at)).await;
            host.ask();
            std::future::pending::<()>().await
        };
        let outcome = tokio::select! {
            // What comes at the same instant as the asking finds the token flipped, and a run that
            // ends at its deadline is in time.
            biased;
            () = ask => unreachable!("asking never ends"),
            outcome = run => Some(outcome),
            () = host.deadline(), if plan.deadline_kept => None,
        };
        if outcome.is_none() {
            host.saw("killed");
        }
        (polls, outcome)
    };
    let (events, points, serving_since) = host.take_seen();
    Ran {
        outcome,
        events,
        points,
        serving_since,
        polls,
    }
}

impl Ran {
    /// The outcome of a run that returned.
    pub(crate) fn outcome(&self) -> &Outcome<String> {
        let outcome = self.outcome.as_ref();
        outcome.unwrap_or_else(|| panic!("killed at the deadline: {:#?}", self.events))
    }

    /// The report of a run that returned.
    pub(crate) fn report(&self) -> &Report {
        &self.outcome().report
    }

    /// The report of a run that succeeded.
    pub(crate) fn success(&self) -> &Report {
        assert_eq!(self.error(), None);
        self.report()
    }

    /// The error's text of a run that failed.
    pub(crate) fn error(&self) -> Option<String> {
        self.outcome().error.as_ref().map(ToString::to_string)
    }

    /// The names of the hooks that were entered, states, and what the observer saw of requests;
    /// without the stages.
    pub(crate) fn calls(&self) -> Vec<&str> {
        let all = self.events.iter().map(|event| event.what.as_str());
        let silent = [
            "stage ",
            "shutdown asked",
            "waited",
            "discovery lost",
            "watch",
            "engine failed",
        ];
        all.filter(|what| !silent.iter().any(|silent| what.starts_with(silent)))
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
    pub(crate) fn since_shutdown(&self, what: &str) -> f64 {
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
        self.report()
            .stages
            .iter()
            .map(|(stage, _)| *stage)
            .collect()
    }

    /// The stages that failed, in order.
    pub(crate) fn failed_stages(&self) -> Vec<Stage> {
        self.report()
            .failures
            .iter()
            .map(|(stage, _)| *stage)
            .collect()
    }
}
