//! Whether a model thinks before it answers.

use serde::Serialize;

/// Whether a model thinks when a request does not say, as frontends tell its chat template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ThinkingMode {
    Enabled,
    Disabled,
}
