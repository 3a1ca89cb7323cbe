//! One run of a worker: what it takes of the process, and its way to the end.

pub(crate) mod assembly;
mod connecting;
mod engine;
mod gauges;
mod host;
mod kubernetes;
mod observer;
mod published;
mod publishers;
mod publishing;
mod serving;
mod started;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use dynamo_backend_lifecycle::{Budget, Report, RunError, Settings, Step};
use dynamo_runtime::Runtime;
use dynamo_runtime::error::DynamoError;

use self::assembly::Assembly;
use self::host::Host;
use crate::config::DisaggregationMode;
use crate::deadline::Deadline;
use crate::discovery::card;
use crate::discovery::topology::Topology;
use crate::error::{at_step, unknown};
use crate::forked;
use crate::home;
use crate::hosts;
use crate::signals::Signals;
use crate::state::WorkerState;
use crate::system::{self, Member, Membership};
use crate::trace;

/// How long the collector of spans may take for the last ones where the deadline leaves that much.
const FLUSH: Duration = Duration::from_secs(3);

/// A run that has taken the signals and has done nothing else yet.
pub struct Run {
    assembly: Assembly,
    settings: Settings,
    /// The run as the system server sees it.
    pub(crate) member: Arc<Member>,
    runtime: Runtime,
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
        Topology::configured()?;
        trace::prepare();
        if let Some(frontend) = &assembly.frontend {
            frontend.check_port()?;
            frontend.check_cache()?;
        }
        forked::close_sockets_of_this_runtime();
        let (settings, warnings) = assembly.config.runtime.settings();
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let shutdown = assembly.shutdown.clone();
        let signals = Signals::install(move || shutdown.ask_by_signal())
            .map_err(|error| unknown(format!("signals: {error}")))?;
        // Last of what can fail: nobody would call it off.
        let deadline = Deadline::new(Budget::new(&settings).deadline())
            .map_err(|error| unknown(format!("no thread for the shutdown deadline: {error}")))?;
        assembly.shutdown.begin(deadline.clone());
        Ok(Self {
            member: Member::new(&assembly.config),
            assembly,
            settings,
            runtime,
            hold: Hold { signals, deadline },
            alone,
        })
    }

    /// Runs the worker to its end. What it holds of the process comes with the answer, for those
    /// who have more to end within the deadline.
    pub async fn to_the_end(self) -> (Result<Report, DynamoError>, Hold) {
        let shutdown = self.assembly.shutdown.clone();
        let prepared = shutdown
            .token()
            .run_until_cancelled(prepare(&self.assembly, &self.member))
            .await;
        let Self {
            assembly,
            settings,
            member,
            runtime,
            hold,
            alone,
        } = self;
        let prefill = assembly.config.disaggregation_mode == DisaggregationMode::Prefill;
        let is_folder_checked =
            matches!(&prepared, Some(Ok(prepared)) if prepared.is_folder_checked);
        let deadline = hold.deadline.clone();
        let host = Arc::new(Host::new(
            assembly,
            settings,
            member,
            runtime,
            deadline,
            is_folder_checked,
        ));
        // `None`: shutdown came first, and the run does nothing but say so.
        let system = match prepared.transpose() {
            Ok(prepared) => prepared.map(|prepared| prepared.system),
            Err(error) => {
                host.never_began(alone);
                hold.signals.run_is_over();
                return (Err(error), hold);
            }
        };
        let (token, settings) = (shutdown.token(), &host.settings);
        let outcome = dynamo_backend_lifecycle::run(&host, token, settings, prefill).await;
        if alone {
            host.shut_runtime_down().await;
        } else {
            host.end_frontend().await;
        }
        let limit = host.deadline.left() / 2;
        if let Some(system) = system
            && tokio::time::timeout(limit, system.leave()).await.is_err()
        {
            tracing::warn!("the system server was not closed within {limit:?}");
        }
        trace::flush(FLUSH.min(host.deadline.left() / 2)).await;
        host.enter(WorkerState::Stopped);
        hold.signals.run_is_over();
        (outcome.into_result().map_err(named), hold)
    }
}

/// What was found out before anything was started.
struct Prepared {
    is_folder_checked: bool,
    system: Membership,
}

/// Finds out what it can before anything is started: a model that no frontend could load, an address
/// that cannot be had. Then nothing is lost yet.
async fn prepare(assembly: &Assembly, member: &Arc<Member>) -> Result<Prepared, DynamoError> {
    Ok(Prepared {
        is_folder_checked: card::check_folder(&assembly.config).await?,
        system: system::join(member.clone(), &assembly.config.runtime).await?,
    })
}

/// A publishing step names itself; the others are named here.
fn named(failed: RunError<DynamoError>) -> DynamoError {
    match failed.step {
        Step::Publish => failed.error,
        step => at_step(step.name(), failed.error),
    }
}
