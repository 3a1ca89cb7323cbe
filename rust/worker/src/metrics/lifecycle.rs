//! Where the worker is in its life, how long loading, draining and cleaning up took, and what a
//! shutdown does to its requests.

use std::sync::{Arc, Weak};
use std::time::Duration;

use dynamo_runtime::component::Endpoint;
use dynamo_runtime::metrics::MetricsHierarchy;
use dynamo_runtime::metrics::prometheus_names::{labels, lifecycle, model_info};
use prometheus::{Gauge, IntCounter, IntGauge, IntGaugeVec};

use crate::admission::Admission;
use crate::event::Event;
use crate::system::Member;

const STATE: &str = "worker_state";
const STATE_LABEL: &str = "state";
const REQUESTS_IN_FLIGHT: &str = "worker_requests_in_flight";
const REQUESTS_CUT_TOTAL: &str = "worker_requests_cut_total";
const DRAINED: &str = "worker_drained";
const READY: &str = "worker_ready";

/// What every worker shows, whatever its engine does.
pub(crate) struct LifecycleGauges {
    state: IntGaugeVec,
    drain: Gauge,
    cleanup: Gauge,
    cut: IntCounter,
    drained: IntGauge,
}

impl LifecycleGauges {
    /// Registers them, of a worker whose engine has started.
    pub(crate) fn register(
        endpoint: &Endpoint,
        model: &str,
        model_name: &str,
        load_time: Duration,
        admission: Admission,
        member: Weak<Member>,
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
            "Requests that the engine is answering",
            &labels,
        )?;
        let ready = metrics.create_intgauge(
            READY,
            "1 while /health answers for the worker that it is ready",
            &labels,
        )?;
        // Known elsewhere already; read when somebody looks.
        endpoint
            .get_metrics_registry()
            .add_update_callback(Arc::new(move || {
                in_flight.set(admission.in_flight() as i64);
                let is_ready = member.upgrade().is_some_and(|member| member.is_ready());
                ready.set(i64::from(is_ready));
                Ok(())
            }));
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
            cut: metrics.create_intcounter(
                REQUESTS_CUT_TOTAL,
                "Requests that were cut in shutdown, at the end of the wait for them",
                &labels,
            )?,
            drained: metrics.create_intgauge(
                DRAINED,
                "1 when in shutdown every request has finished and none was cut",
                &labels,
            )?,
        };
        gauges.entered(Event::Registering);
        Ok(gauges)
    }

    /// The worker is in this state now.
    pub(crate) fn entered(&self, event: Event) {
        for other in Event::ALL {
            self.state
                .with_label_values(&[other.as_str()])
                .set(i64::from(other == event));
        }
    }

    pub(crate) fn cut(&self, requests: usize) {
        self.cut.inc_by(requests as u64);
    }

    /// The wait for requests is over, with these still there.
    pub(crate) fn waited(&self, in_flight: usize) {
        let drained = in_flight == 0 && self.cut.get() == 0;
        self.drained.set(i64::from(drained));
    }

    pub(crate) fn drained(&self, took: Duration) {
        self.drain.set(took.as_secs_f64());
    }

    pub(crate) fn cleaned_up(&self, took: Duration) {
        self.cleanup.set(took.as_secs_f64());
    }
}
