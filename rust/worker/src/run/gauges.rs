//! Where the worker is in its life, how long loading, draining and cleaning up took, and what a
//! shutdown does to its requests.

use std::sync::{Arc, Weak};
use std::time::Duration;

use dynamo_backend_lifecycle::controls::Service;
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::metrics::MetricsHierarchy;
use dynamo_runtime::metrics::prometheus_names::{labels, lifecycle, model_info};
use prometheus::{Gauge, IntGauge, IntGaugeVec};

use crate::controls::Status;
use crate::frontend::requests::Requests;
use crate::state::WorkerState;
use crate::system::Member;

const STATE: &str = "worker_state";
const STATE_LABEL: &str = "state";
const REQUESTS_IN_FLIGHT: &str = "worker_requests_in_flight";
const REQUESTS_CUT_TOTAL: &str = "worker_requests_cut_total";
const DRAINED: &str = "worker_drained";
const READY: &str = "worker_ready";
const SERVICE: &str = "worker_service";
const SAFE_TO_DELETE: &str = "worker_safe_to_delete";

/// What every worker shows, whatever its engine does.
pub(super) struct LifecycleGauges {
    state: IntGaugeVec,
    drain: Gauge,
    cleanup: Gauge,
    drained: IntGauge,
}

impl LifecycleGauges {
    /// Registers them, of a worker whose engine has started.
    pub(super) fn register(
        endpoint: &Endpoint,
        model: &str,
        model_name: &str,
        load_time: Duration,
        member: Weak<Member>,
        requests: &Requests,
    ) -> anyhow::Result<Self> {
        let labels = [(labels::MODEL, model), (labels::MODEL_NAME, model_name)];
        let metrics = endpoint.metrics();
        let gauge = |name: &str, help: &str| metrics.create_gauge(name, help, &labels);
        gauge(
            model_info::LOAD_TIME_SECONDS,
            "Seconds that the engine's start took",
        )?
        .set(load_time.as_secs_f64());
        let in_flight = metrics.create_intgauge(
            REQUESTS_IN_FLIGHT,
            "Requests that wait, that the engine has, or whose answer is not written to its end",
            &labels,
        )?;
        let ready = metrics.create_intgauge(
            READY,
            "1 while /health answers for the worker that it is ready",
            &labels,
        )?;
        let service = metrics.create_intgaugevec(
            SERVICE,
            "1 for the state that /engine/status tells, 0 for every other",
            &[STATE_LABEL],
            &labels,
        )?;
        let safe_to_delete = metrics.create_intgauge(
            SAFE_TO_DELETE,
            "1 while /engine/status says that the worker is safe to delete",
            &labels,
        )?;
        // Known elsewhere already; read when somebody looks.
        endpoint
            .get_metrics_registry()
            .add_update_callback(Arc::new(move || {
                let member = member.upgrade();
                ready.set(
                    member
                        .as_ref()
                        .is_some_and(|member| member.is_ready())
                        .into(),
                );
                let status = member.map_or(Status::STARTING, |member| member.status());
                for other in Service::ALL {
                    service
                        .with_label_values(&[other.name()])
                        .set(i64::from(other == status.service));
                }
                in_flight.set(status.in_flight as i64);
                safe_to_delete.set(i64::from(status.safe_to_delete));
                Ok(())
            }));
        requests.count_cut(metrics.create_intcounter(
            REQUESTS_CUT_TOTAL,
            "Requests that were cut, at the end of the wait for them in a shutdown or before a sleep",
            &labels,
        )?);
        let gauges = Self {
            state: metrics.create_intgaugevec(
                STATE,
                "1 for the state that the worker is in, 0 for every other",
                &[STATE_LABEL],
                &labels,
            )?,
            drain: gauge(
                lifecycle::DRAIN_TIME_SECONDS,
                "Seconds that the engine's drain took in shutdown",
            )?,
            cleanup: gauge(
                lifecycle::CLEANUP_TIME_SECONDS,
                "Seconds that the engine's cleanup took in shutdown",
            )?,
            drained: metrics.create_intgauge(
                DRAINED,
                "1 when in shutdown every request has finished and none was cut",
                &labels,
            )?,
        };
        gauges.entered(WorkerState::Registering);
        Ok(gauges)
    }

    /// The worker is in this state now.
    pub(super) fn entered(&self, state: WorkerState) {
        for other in WorkerState::ALL {
            self.state
                .with_label_values(&[other.as_str()])
                .set(i64::from(other == state));
        }
    }

    /// A shutdown's wait for requests is over, and so many were cut.
    pub(super) fn waited(&self, cut: usize) {
        self.drained.set(i64::from(cut == 0));
    }

    pub(super) fn drained(&self, took: Duration) {
        self.drain.set(took.as_secs_f64());
    }

    pub(super) fn cleaned_up(&self, took: Duration) {
        self.cleanup.set(took.as_secs_f64());
    }
}
