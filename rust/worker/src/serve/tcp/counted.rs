//! The runtime's own metrics of an endpoint's requests, and its lines in the log.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dynamo_runtime::component::Endpoint;
use dynamo_runtime::metrics::MetricsHierarchy;
use dynamo_runtime::metrics::work_handler_perf::{
    WORK_HANDLER_NETWORK_TRANSIT_SECONDS, WORK_HANDLER_TIME_TO_FIRST_RESPONSE_SECONDS,
    ensure_work_handler_perf_metrics_registered,
};
use dynamo_runtime::metrics::work_handler_pool::ensure_work_handler_pool_metrics_registered;
use dynamo_runtime::pipeline::network::ingress::push_handler::WorkHandlerMetrics;

/// Whose lines these are for a filter of the log.
pub(super) const LOG: &str = "dynamo_runtime::pipeline::network::ingress::push_handler";

/// The metrics, as the runtime's ingress registers them.
pub(super) fn register(
    endpoint: &Endpoint,
    labels: &[(&str, &str)],
) -> anyhow::Result<WorkHandlerMetrics> {
    let metrics = WorkHandlerMetrics::from_endpoint(endpoint, Some(labels))
        .map_err(anyhow::Error::from_boxed)?;
    ensure_work_handler_perf_metrics_registered(endpoint.get_metrics_registry());
    ensure_work_handler_pool_metrics_registered(endpoint.get_metrics_registry());
    Ok(metrics)
}

/// One request, counted as in work until its end, or until it is dropped.
pub(super) struct Counted<'a> {
    metrics: &'a WorkHandlerMetrics,
    ended: bool,
    request_id: Option<String>,
    arrived: Instant,
}

impl<'a> Counted<'a> {
    /// A request of so many bytes arrives.
    pub(super) fn begin(
        metrics: &'a WorkHandlerMetrics,
        bytes: usize,
        request_id: Option<String>,
    ) -> Self {
        metrics.request_counter.inc();
        metrics.inflight_requests.inc();
        metrics.request_bytes.inc_by(bytes as u64);
        if let Some(request_id) = &request_id {
            tracing::info!(target: LOG, request_id = %request_id, "request received");
        }
        Self {
            metrics,
            ended: false,
            request_id,
            arrived: Instant::now(),
        }
    }

    /// The frontend sent it at this time.
    pub(super) fn sent_at(&self, since_1970_ns: u64) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .saturating_sub(self.arrived.elapsed());
        let transit = now.saturating_sub(Duration::from_nanos(since_1970_ns));
        WORK_HANDLER_NETWORK_TRANSIT_SECONDS.observe(transit.as_secs_f64());
    }

    /// Its answer begins.
    pub(super) fn answered(&self) {
        WORK_HANDLER_TIME_TO_FIRST_RESPONSE_SECONDS.observe(self.arrived.elapsed().as_secs_f64());
    }

    /// So many bytes of its answer were made.
    pub(super) fn response(&self, bytes: usize) {
        self.metrics.response_bytes.inc_by(bytes as u64);
    }

    /// The frontend gave it up.
    pub(super) fn cancelled(&self) {
        self.metrics.cancellation_total.inc();
    }

    /// It failed; `error_type` is one of the runtime's names for where.
    pub(super) fn failed(&self, error_type: &str) {
        self.metrics
            .error_counter
            .with_label_values(&[error_type])
            .inc();
    }

    /// All of its answer is written.
    pub(super) fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.metrics.inflight_requests.dec();
        let took = self.arrived.elapsed().as_secs_f64();
        self.metrics.request_duration.observe(took);
        if let Some(request_id) = &self.request_id {
            tracing::info!(target: LOG, request_id = %request_id, "request completed");
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.end();
    }
}
