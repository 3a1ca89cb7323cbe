//! One variable: what the table says of it, and the only calls that read and write it.

use std::ffi::OsString;
use std::fmt;

/// What a value looks like as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// Text that is shown nowhere.
    Secret,
    /// Where servers are, separated by commas; credentials in it are shown nowhere.
    Addresses,
    Path,
    Flag,
    /// One of these.
    Choice(&'static [&'static str]),
    /// `name=value` pairs, separated by commas.
    Pairs,
    WholeNumber,
    Number,
    /// A number of seconds, with fractions.
    Seconds,
    WholeSeconds,
    /// A JSON object, or `@path` of a file that holds one.
    Json,
}

impl Kind {
    /// As the documentation has it, and Python's side of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Secret => "secret",
            Self::Addresses => "addresses",
            Self::Path => "path",
            Self::Flag => "flag",
            Self::Choice(_) => "choice",
            Self::Pairs => "pairs",
            Self::WholeNumber => "whole number",
            Self::Number => "number",
            Self::Seconds => "seconds",
            Self::WholeSeconds => "whole seconds",
            Self::Json => "JSON",
        }
    }
}

/// Who looks at a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Where an option is not given; `Worker` itself does not look.
    CommandLine,
    Worker,
    /// Dynamo's runtime, and the clients that it is made with.
    Runtime,
    /// Dynamo's frontend, where it is in the process.
    Frontend,
    LlamaCpp,
    Vllm,
}

impl Reader {
    /// As the documentation has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CommandLine => "command line",
            Self::Worker => "worker",
            Self::Runtime => "Dynamo's runtime",
            Self::Frontend => "frontend in the process",
            Self::LlamaCpp => "`llama-cpp`",
            Self::Vllm => "`vllm`",
        }
    }
}

/// A row of the table, and nothing else: what has no row can be neither read nor written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    pub name: &'static str,
    pub kind: Kind,
    /// The default as text; `None`: unset, or one that only words can say.
    pub default: Option<&'static str>,
    /// In words what else counts where nothing is set; may be empty. Markdown.
    pub otherwise: &'static str,
    pub read_by: &'static [Reader],
    /// Markdown.
    pub help: &'static str,
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Variable {
    /// What the environment has; empty is something, too.
    pub fn value(&self) -> Option<OsString> {
        std::env::var_os(self.name)
    }

    /// [`value`](Self::value) as text. What is no Unicode in it is replaced, so that it is read as a
    /// bad value and not as an unset one.
    pub fn text(&self) -> Option<String> {
        self.value()
            .map(|value| value.to_string_lossy().into_owned())
    }

    /// Only for those whose callers are told to call them before there are other threads.
    pub fn set(&self, value: &str) {
        // SAFETY: no other thread reads the environment meanwhile, as the callers are told.
        unsafe { std::env::set_var(self.name, value) };
    }

    /// Sets what is unset or empty. As [`set`](Self::set).
    pub fn set_default(&self, value: &str) {
        if self.value().is_none_or(|value| value.is_empty()) {
            self.set(value);
        }
    }

    /// As [`set`](Self::set).
    pub fn remove(&self) {
        // SAFETY: as there.
        unsafe { std::env::remove_var(self.name) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ALL, DYN_LOG};

    #[test]
    fn a_default_is_of_its_kind_and_a_name_has_one_row() {
        for (row, variable) in ALL.iter().enumerate() {
            assert!(ALL[..row].iter().all(|other| other.name != variable.name));
            let Some(default) = variable.default else {
                continue;
            };
            let fits = match variable.kind {
                Kind::Flag => ["true", "false"].contains(&default),
                Kind::Choice(values) => values.contains(&default),
                Kind::WholeNumber => default.parse::<i64>().is_ok(),
                Kind::WholeSeconds => default.parse::<u64>().is_ok(),
                Kind::Number | Kind::Seconds => default.parse::<f64>().is_ok(),
                Kind::Text
                | Kind::Secret
                | Kind::Addresses
                | Kind::Path
                | Kind::Pairs
                | Kind::Json => true,
            };
            assert!(fits, "{variable} is {default} by default");
        }
    }

    #[test]
    fn a_default_counts_where_the_variable_is_unset_or_empty() {
        DYN_LOG.remove();
        assert_eq!(DYN_LOG.text(), None);
        DYN_LOG.set("");
        DYN_LOG.set_default("warn");
        DYN_LOG.set_default("debug");
        assert_eq!(DYN_LOG.text().as_deref(), Some("warn"));
    }
}
