//! Enumerated values and their text forms.

use dynamo_llm::local_model::runtime_config::{
    StructuralTagMode, StructuralTagReasoningBoundary, StructuralTagSchemaMode, StructuralTagScope,
};
use dynamo_llm::model_type::ModelInput;
use dynamo_runtime::error::DynamoError;

use super::disaggregation_mode::DisaggregationMode;
use super::thinking_mode::ThinkingMode;
use crate::error::invalid_argument;

/// A value that an operator chooses by its name.
pub trait Choice: Copy + Sized + 'static {
    /// The accepted names, lower case, each with its value; the canonical one first.
    const NAMES: &'static [(&'static str, Self)];

    /// Reads `text`, trimmed and in any case; the error names `field`, `text` and what is accepted.
    fn parse(field: &str, text: &str) -> Result<Self, DynamoError> {
        let wanted = text.trim();
        Self::NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| *value)
            .ok_or_else(|| unknown_choice(field, text, Self::NAMES.iter().map(|(name, _)| *name)))
    }
}

pub(super) fn unknown_choice<'a>(
    field: &str,
    given: &str,
    accepted: impl Iterator<Item = &'a str>,
) -> DynamoError {
    let accepted = accepted.map(|name| format!("'{name}'")).collect::<Vec<_>>();
    invalid_argument(format!(
        "{field}: '{given}' is unknown; accepted: {}",
        accepted.join(", ")
    ))
}

impl Choice for DisaggregationMode {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("aggregated", Self::Aggregated),
        ("agg", Self::Aggregated),
        ("prefill", Self::Prefill),
        ("decode", Self::Decode),
    ];
}

impl Choice for ModelInput {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("tokens", Self::Tokens),
        ("text", Self::Text),
        ("tensor", Self::Tensor),
    ];
}

impl Choice for StructuralTagMode {
    const NAMES: &'static [(&'static str, Self)] = &[("off", Self::Off), ("on", Self::On)];
}

impl Choice for StructuralTagScope {
    const NAMES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("always", Self::Always)];
}

impl Choice for StructuralTagSchemaMode {
    const NAMES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("strict", Self::Strict)];
}

impl Choice for StructuralTagReasoningBoundary {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("structuraltag", Self::StructuralTag),
        ("backend", Self::Backend),
    ];
}

impl Choice for ThinkingMode {
    const NAMES: &'static [(&'static str, Self)] =
        &[("enabled", Self::Enabled), ("disabled", Self::Disabled)];
}
