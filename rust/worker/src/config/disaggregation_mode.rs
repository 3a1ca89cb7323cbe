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
}

impl DisaggregationMode {
    pub(crate) fn worker_type(self) -> WorkerType {
        match self {
            Self::Aggregated => WorkerType::Aggregated,
            Self::Prefill => WorkerType::Prefill,
            Self::Decode => WorkerType::Decode,
        }
    }

    pub(crate) fn needs(self) -> Vec<Vec<WorkerType>> {
        match self {
            Self::Aggregated => Vec::new(),
            Self::Prefill => vec![vec![WorkerType::Decode]],
            Self::Decode => vec![vec![WorkerType::Prefill]],
        }
    }
}
