//! How long loading, draining and cleaning up took.

use std::time::Duration;

use dynamo_runtime::component::Endpoint;
use dynamo_runtime::metrics::MetricsHierarchy;
use dynamo_runtime::metrics::prometheus_names::{labels, lifecycle, model_info};
use prometheus::Gauge;

/// The gauges that every worker has, whatever its engine does.
pub(crate) struct LifecycleGauges {
    drain: Gauge,
    cleanup: Gauge,
}

impl LifecycleGauges {
    pub(crate) fn register(
        endpoint: &Endpoint,
        model: &str,
        model_name: &str,
        load_time: Duration,
    ) -> anyhow::Result<Self> {
        let labels = [(labels::MODEL, model), (labels::MODEL_NAME, model_name)];
        let gauge = |name: &str, help: &str| endpoint.metrics().create_gauge(name, help, &labels);
        gauge(
            model_info::LOAD_TIME_SECONDS,
            "Seconds that the engine's start took",
        )?
        .set(load_time.as_secs_f64());
        Ok(Self {
            drain: gauge(
                lifecycle::DRAIN_TIME_SECONDS,
                "Seconds that the engine's drain took in shutdown",
            )?,
            cleanup: gauge(
                lifecycle::CLEANUP_TIME_SECONDS,
                "Seconds that the engine's cleanup took in shutdown",
            )?,
        })
    }

    pub(crate) fn drained(&self, took: Duration) {
        self.drain.set(took.as_secs_f64());
    }

    pub(crate) fn cleaned_up(&self, took: Duration) {
        self.cleanup.set(took.as_secs_f64());
    }
}
