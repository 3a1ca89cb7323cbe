//! What a worker's requests were: their tokens, how soon the first came, and how they failed.

use std::time::Duration;

use dynamo_runtime::component::Endpoint;
use dynamo_runtime::metrics::MetricsHierarchy;
use dynamo_runtime::metrics::prometheus_names::labels;
use prometheus::{Histogram, IntCounter, IntCounterVec};

use crate::error::{BackendError, KINDS};

const INPUT_TOKENS_TOTAL: &str = "worker_input_tokens_total";
const OUTPUT_TOKENS_TOTAL: &str = "worker_output_tokens_total";
const TIME_TO_FIRST_TOKEN_SECONDS: &str = "worker_time_to_first_token_seconds";
const REQUEST_ERRORS_TOTAL: &str = "worker_request_errors_total";
const REQUESTS_REFUSED_TOTAL: &str = "worker_requests_refused_total";
const KIND_LABEL: &str = "kind";

const SECONDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0, 120.0,
];

/// Of all requests of one worker; a probe of the health canary is none.
#[derive(Clone)]
pub(crate) struct RequestMetrics {
    input_tokens: IntCounter,
    output_tokens: IntCounter,
    time_to_first_token: Histogram,
    errors: IntCounterVec,
    refused: IntCounter,
}

impl RequestMetrics {
    pub(crate) fn register(
        endpoint: &Endpoint,
        model: &str,
        model_name: &str,
    ) -> anyhow::Result<Self> {
        let labels = [(labels::MODEL, model), (labels::MODEL_NAME, model_name)];
        let metrics = endpoint.metrics();
        let counter = |name: &str, help: &str| metrics.create_intcounter(name, help, &labels);
        let errors = metrics.create_intcountervec(
            REQUEST_ERRORS_TOTAL,
            "Requests that ended with an error, by its kind",
            &[KIND_LABEL],
            &labels,
        )?;
        // From the start, so that the first error is an increase.
        for kind in KINDS {
            errors.with_label_values(&[&kind.to_string()]);
        }
        Ok(Self {
            input_tokens: counter(INPUT_TOKENS_TOTAL, "Tokens of the requests' prompts")?,
            output_tokens: counter(OUTPUT_TOKENS_TOTAL, "Tokens that the engine answered with")?,
            time_to_first_token: metrics.create_histogram(
                TIME_TO_FIRST_TOKEN_SECONDS,
                "Seconds from a request's arrival at the worker to the engine's first token",
                &labels,
                Some(SECONDS.to_vec()),
            )?,
            errors,
            refused: counter(
                REQUESTS_REFUSED_TOTAL,
                "Requests that found the worker asleep, shutting down or at its limit",
            )?,
        })
    }

    pub(crate) fn input(&self, tokens: usize) {
        self.input_tokens.inc_by(tokens as u64);
    }

    pub(crate) fn output(&self, tokens: usize) {
        self.output_tokens.inc_by(tokens as u64);
    }

    pub(crate) fn first_token(&self, after: Duration) {
        self.time_to_first_token.observe(after.as_secs_f64());
    }

    pub(crate) fn failed(&self, kind: BackendError) {
        self.errors.with_label_values(&[&kind.to_string()]).inc();
    }

    pub(crate) fn refused(&self) {
        self.refused.inc();
    }
}
