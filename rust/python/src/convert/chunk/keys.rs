//! The keys of a chunk.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

/// What a key of a chunk holds.
#[derive(Clone, Copy)]
pub(super) enum Key {
    TokenIds,
    Index,
    FinishReason,
    LogProbs,
    CumLogProbs,
    Usage,
    Text,
    StopReason,
    TopLogprobs,
    /// Something that goes through JSON.
    Rare(&'static str),
}

const KEYS: [(&str, Key); 18] = [
    ("token_ids", Key::TokenIds),
    ("finish_reason", Key::FinishReason),
    ("index", Key::Index),
    ("completion_usage", Key::Usage),
    ("log_probs", Key::LogProbs),
    ("cum_log_probs", Key::CumLogProbs),
    ("text", Key::Text),
    ("stop_reason", Key::StopReason),
    ("top_logprobs", Key::TopLogprobs),
    ("tokens", Key::Rare("tokens")),
    ("output_type", Key::Rare("output_type")),
    ("content_parts", Key::Rare("content_parts")),
    ("disaggregated_params", Key::Rare("disaggregated_params")),
    ("encoder_result", Key::Rare("encoder_result")),
    ("worker_trace_link", Key::Rare("worker_trace_link")),
    ("extra_args", Key::Rare("extra_args")),
    ("engine_data", Key::Rare("engine_data")),
    ("routing_data", Key::Rare("routing_data")),
];

static INTERNED: PyOnceLock<[Py<PyString>; KEYS.len()]> = PyOnceLock::new();

impl Key {
    /// By identity: keys that are written down in a program are interned.
    pub(super) fn of_interned(key: &Bound<'_, PyAny>) -> Option<Self> {
        let py = key.py();
        let interned = INTERNED.get_or_init(py, || {
            KEYS.map(|(name, _)| PyString::intern(py, name).unbind())
        });
        let place = interned.iter().position(|name| name.is(key))?;
        Some(KEYS[place].1)
    }

    pub(super) fn of_text(key: &str) -> Option<Self> {
        let known = KEYS.iter().find(|(name, _)| *name == key)?;
        Some(known.1)
    }
}
