//! One run of a worker: what it takes of the process, and its way to the end.

pub(crate) mod assembly;
mod host;

use std::sync::Arc;
use std::time::Duration;

use dynamo_backend_lifecycle::{Budget, Report, RunError, Settings, Step};
use dynamo_runtime::Runtime;
use dynamo_runtime::error::DynamoError;

use self::assembly::Assembly;
use self::host::Host;
use crate::config::DisaggregationMode;
use crate::deadline::Deadline;
use crate::error::{at_step, unknown};
use crate::event::Event;
use crate::forked;
use crate::home;
use crate::hosts;
use crate::signals::Signals;
use crate::trace;

/// How long the collector of spans may take for the last ones where the deadline leaves that much.
const FLUSH: Duration = Duration::from_secs(3);

/// A run that has taken the signals and has done nothing else yet.
pub struct Run {
    pub(crate) host: Host,
    hold: Hold,
    /// The runtime is this run's own.
    alone: bool,
}

/// What a run holds of its process: SIGTERM and SIGINT, and the deadline. Dropping it gives the
/// signals back and calls the deadline off.
pub struct Hold {
    signals: Signals,
    deadline: Arc<Deadline>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.deadline.call_off();
    }
}

impl Run {
    /// Steps 1 and 2: checks the configuration, then takes the signals.
    pub(crate) fn begin(
        assembly: Assembly,
        runtime: Runtime,
        alone: bool,
    ) -> Result<Self, DynamoError> {
        assembly.config.validate()?;
        home::tell();
        trace::check_endpoints()?;
        hosts::check()?;
        trace::prepare();
        if let Some(frontend) = &assembly.frontend {
            frontend.check_port()?;
            frontend.check_cache()?;
        }
        forked::close_sockets_of_this_runtime();
        let settings = Settings::from_env();
        let shutdown = assembly.shutdown.clone();
        let signals = Signals::install(move || shutdown.ask_by_signal())
            .map_err(|error| unknown(format!("signals: {error}")))?;
        // Last of what can fail: nobody would call it off.
        let deadline = Deadline::new(Budget::new(&settings).deadline())
            .map_err(|error| unknown(format!("no thread for the shutdown deadline: {error}")))?;
        assembly.shutdown.begin(deadline.clone());
        Ok(Self {
            host: Host::new(assembly, settings, runtime, deadline.clone()),
            hold: Hold { signals, deadline },
            alone,
        })
    }

    /// Runs the worker to its end. What it holds of the process comes with the answer, for those
    /// who have more to end within the deadline.
    pub async fn to_the_end(self) -> (Result<Report, DynamoError>, Hold) {
        let shutdown = self.host.assembly.shutdown.token();
        // `None`: shutdown came first, and the run does nothing but say so.
        let system = match shutdown
            .run_until_cancelled(self.host.prepare())
            .await
            .transpose()
        {
            Ok(membership) => membership,
            Err(error) => {
                self.host.never_began(self.alone);
                self.hold.signals.run_is_over();
                return (Err(error), self.hold);
            }
        };
        let config = &self.host.assembly.config;
        let prefill = config.disaggregation_mode == DisaggregationMode::Prefill;
        let settings = &self.host.settings;
        let outcome = dynamo_backend_lifecycle::run(&self.host, shutdown, settings, prefill).await;
        self.host.let_transports_go();
        if self.alone {
            self.host.shut_runtime_down().await;
        } else {
            self.host.end_frontend().await;
        }
        let limit = self.host.deadline.left() / 2;
        if let Some(system) = system
            && tokio::time::timeout(limit, system.leave()).await.is_err()
        {
            tracing::warn!("the system server was not closed within {limit:?}");
        }
        trace::flush(FLUSH.min(self.host.deadline.left() / 2)).await;
        self.host.emit(Event::Stopped);
        self.hold.signals.run_is_over();
        (outcome.into_result().map_err(named), self.hold)
    }
}

/// A publishing step names itself; the others are named here.
fn named(failed: RunError<DynamoError>) -> DynamoError {
    match failed.step {
        Step::Publish => failed.error,
        step => at_step(step.name(), failed.error),
    }
}
