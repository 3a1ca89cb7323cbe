//! The tables of configuration fields and of variables, for the command line and the documentation.

use dynamo_backend_environment::{self as environment, Kind, Reader, Variable};
use dynamo_backend_worker::config::{FIELDS, Field, Owner};
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
        let variable = field.variable;
        Self {
            owner: match field.owner {
                Owner::Worker => "WorkerConfig",
                Owner::Runtime => "RuntimeConfig",
            },
            name: field.name,
            kind: variable.kind.name(),
            variable: variable.name,
            default: variable.default,
            help: field.help,
            values: values(variable.kind),
        }
    }
}

/// Every field, in the order in which help shows them.
#[pyfunction]
pub(crate) fn config_fields() -> Vec<ConfigField> {
    FIELDS.iter().map(ConfigField::from).collect()
}

/// One variable of the environment.
#[pyclass(frozen, get_all, module = "dynamo_backend_common._core")]
pub(crate) struct EnvironmentVariable {
    name: &'static str,
    kind: &'static str,
    values: Vec<&'static str>,
    default: Option<&'static str>,
    otherwise: &'static str,
    read_by: Vec<&'static str>,
    help: &'static str,
}

impl From<&Variable> for EnvironmentVariable {
    fn from(variable: &Variable) -> Self {
        Self {
            name: variable.name,
            kind: variable.kind.name(),
            values: values(variable.kind),
            default: variable.default,
            otherwise: variable.otherwise,
            read_by: variable.read_by.iter().copied().map(Reader::name).collect(),
            help: variable.help,
        }
    }
}

/// Every variable, in the order in which the documentation has them.
#[pyfunction]
pub(crate) fn environment_variables() -> Vec<EnvironmentVariable> {
    let table = environment::ALL.iter();
    table.map(EnvironmentVariable::from).collect()
}

fn values(kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::Choice(values) => values.to_vec(),
        _ => Vec::new(),
    }
}
