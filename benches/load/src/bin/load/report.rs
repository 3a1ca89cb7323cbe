//! What comes out.

use serde::Serialize;

use crate::histogram::Histogram;
use crate::tally::Tally;
use crate::usage::Usage;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    seconds: f64,
    tokens: u64,
    frames: u64,
    requests: u64,
    #[serde(flatten)]
    used: Usage,
    first_token_micros: Quantiles,
    between_frames_micros: Quantiles,
    added_micros: Quantiles,
}

#[derive(Debug, Serialize)]
struct Quantiles {
    p50: Option<u64>,
    p99: Option<u64>,
}

impl Report {
    pub(crate) fn new(seconds: f64, seen: &Tally, used: Usage) -> Self {
        Self {
            seconds,
            tokens: seen.tokens,
            frames: seen.frames,
            requests: seen.requests,
            used,
            first_token_micros: Quantiles::of(&seen.first_token),
            between_frames_micros: Quantiles::of(&seen.between_frames),
            added_micros: Quantiles::of(&seen.added),
        }
    }
}

impl Quantiles {
    fn of(times: &Histogram) -> Self {
        Self {
            p50: times.quantile(0.5),
            p99: times.quantile(0.99),
        }
    }
}
