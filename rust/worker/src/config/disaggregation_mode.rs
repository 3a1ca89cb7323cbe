//! The worker's part in disaggregated serving.

use dynamo_llm::worker_type::WorkerType;

/// The worker's part in disaggregated serving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DisaggregationMode {
    /// Prefill and decode in one worker.
    #[default]
    Aggregated,
    /// Prefill only; needs a decode peer.
    Prefill,
    /// Decode only; needs a prefill peer.
    Decode,
    /// Makes of a request's media what the workers of the model take in their place.
    Encode,
}

impl DisaggregationMode {
    pub(crate) fn worker_type(self) -> WorkerType {
        match self {
            Self::Aggregated => WorkerType::Aggregated,
            Self::Prefill => WorkerType::Prefill,
            Self::Decode => WorkerType::Decode,
            Self::Encode => WorkerType::Encode,
        }
    }

    /// The workers without which this one is of no use: all of one of these lists. `by_encoder`:
    /// requests with media come by way of an encode worker.
    pub(crate) fn needs(self, by_encoder: bool) -> Vec<Vec<WorkerType>> {
        use WorkerType::{Aggregated, Decode, Encode, Prefill};
        match (self, by_encoder) {
            (Self::Aggregated, false) => Vec::new(),
            (Self::Aggregated, true) => vec![vec![Encode]],
            (Self::Prefill, false) => vec![vec![Decode]],
            (Self::Prefill, true) => vec![vec![Decode, Encode]],
            (Self::Decode, _) => vec![vec![Prefill]],
            (Self::Encode, _) => vec![vec![Prefill, Decode], vec![Aggregated]],
        }
    }
}
