//! One line of the log, made of an event.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// What was logged.
#[derive(Clone, Debug)]
pub struct Line {
    /// How important it is.
    pub level: Level,
    /// Whose it is: a path of modules.
    pub target: &'static str,
    /// The message, and behind it the event's other fields as `name=value`.
    pub text: String,
}

impl Line {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        Self {
            level: *metadata.level(),
            target: metadata.target(),
            text: fields.message + &fields.others,
        }
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Fields {
    fn put(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = match field.name() {
            "message" => self.message.write_fmt(value),
            name => write!(self.others, " {name}={value}"),
        };
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format_args!("{value:?}"));
    }
}
