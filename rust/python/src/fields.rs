//! The table of configuration fields, for the command line.

use dynamo_backend_worker::config::{FIELDS, Field, Kind, Owner};
use pyo3::prelude::*;

/// One field of `WorkerConfig` or `RuntimeConfig`.
#[pyclass(frozen, get_all, module = "dynamo_backend_common._core")]
pub(crate) struct ConfigField {
    owner: &'static str,
    name: &'static str,
    kind: &'static str,
    variable: &'static str,
    default: Option<&'static str>,
    help: &'static str,
    values: Vec<&'static str>,
}

impl From<&Field> for ConfigField {
    fn from(field: &Field) -> Self {
        let (kind, values) = match field.kind {
            Kind::Text => ("text", Vec::new()),
            Kind::OptionalText => ("optional_text", Vec::new()),
            Kind::OptionalPath => ("optional_path", Vec::new()),
            Kind::Flag => ("flag", Vec::new()),
            Kind::Choice(values) => ("choice", values.to_vec()),
            Kind::Pairs => ("pairs", Vec::new()),
            Kind::OptionalInteger => ("optional_integer", Vec::new()),
            Kind::OptionalSeconds => ("optional_seconds", Vec::new()),
            Kind::OptionalJson => ("optional_json", Vec::new()),
        };
        Self {
            owner: match field.owner {
                Owner::Worker => "WorkerConfig",
                Owner::Runtime => "RuntimeConfig",
            },
            name: field.name,
            kind,
            variable: field.variable,
            default: field.default,
            help: field.help,
            values,
        }
    }
}

/// Every field, in the order in which help shows them.
#[pyfunction]
pub(crate) fn config_fields() -> Vec<ConfigField> {
    FIELDS.iter().map(ConfigField::from).collect()
}
