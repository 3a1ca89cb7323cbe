//! One event of the log: what Python's `LogRecord` and a line on standard error are made from.

use std::fmt::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::IntoPyObjectExt;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::request::{REQUEST_ID, Request};

/// What `logging` has no name for is below its DEBUG.
pub(super) fn python_level(level: Level) -> usize {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

/// An event, formatted once, where it happened.
pub(super) struct Record {
    level: Level,
    target: String,
    /// The message, followed by the fields as `name=value`.
    text: String,
    fields: Vec<(&'static str, Value)>,
    request: Request,
    file: Option<String>,
    line: Option<u32>,
    at: SystemTime,
    thread: u64,
    thread_name: Option<String>,
}

/// A field's value, as typed as `tracing` knows it.
#[derive(Clone)]
enum Value {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
}

impl Record {
    pub(super) fn of(event: &Event<'_>, span: Request) -> Self {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut text = fields.message;
        for (name, value) in &fields.others {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "{}{name}={value}",
                if text.is_empty() { "" } else { " " }
            );
        }
        // What the event itself says counts more than the span that it happened in.
        let own_id = fields.others.iter().find_map(|(name, value)| match value {
            Value::Text(id) if *name == REQUEST_ID => Some(id.as_str().into()),
            _ => None,
        });
        let thread = std::thread::current();
        Self {
            level: *metadata.level(),
            // An event that came by the `log` crate brings its own.
            target: fields
                .log_target
                .unwrap_or_else(|| metadata.target().to_owned()),
            text,
            fields: fields.others,
            request: Request {
                id: own_id.or(span.id),
                trace_id: span.trace_id,
            },
            file: fields
                .log_file
                .or_else(|| metadata.file().map(str::to_owned)),
            line: fields.log_line.or(metadata.line()),
            at: SystemTime::now(),
            // SAFETY: it takes nothing and cannot fail. It is what Python's `threading` calls ident.
            thread: unsafe { libc::pthread_self() } as u64,
            thread_name: thread.name().map(str::to_owned),
        }
    }

    /// A warning of the log about itself.
    pub(super) fn of_loss(lost: u64) -> Self {
        Self {
            level: Level::WARN,
            target: "log".into(),
            text: format!(
                "{lost} log records of the Rust side were lost: they came faster than Python's \
                 logging took them"
            ),
            fields: vec![("lost", Value::Unsigned(lost))],
            request: Request::default(),
            file: None,
            line: None,
            at: SystemTime::now(),
            // SAFETY: as above.
            thread: unsafe { libc::pthread_self() } as u64,
            thread_name: None,
        }
    }

    /// Hands it to Python's `logging`.
    pub(super) fn hand_over(&self, py: Python<'_>) -> PyResult<()> {
        static TAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let take = TAKE.get_or_try_init(py, || {
            py.import(intern!(py, "dynamo_backend_common._log.logging"))?
                .getattr(intern!(py, "take"))
                .map(Bound::unbind)
        })?;
        let fields = PyDict::new(py);
        for (name, value) in &self.fields {
            fields.set_item(name, value.to_python(py)?)?;
        }
        let since_epoch = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let arguments = (
            &self.target,
            python_level(self.level),
            &self.text,
            since_epoch.as_secs_f64(),
            (self.thread, self.thread_name.as_deref()),
            (self.file.as_deref(), self.line),
            fields,
            self.request.id.as_deref(),
            self.request.trace_id.as_deref(),
        );
        take.bind(py).call1(arguments).map(drop)
    }
}

/// The line for standard error, where Python cannot be asked any more.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = humantime::format_rfc3339_micros(self.at);
        write!(f, "{at} {:>5} {}: {}", self.level, self.target, self.text)?;
        match &self.request.id {
            Some(id) if !self.text.contains(&**id) => write!(f, " {REQUEST_ID}={id}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Signed(value) => write!(f, "{value}"),
            Self::Unsigned(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

impl Value {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Bool(value) => value.into_bound_py_any(py),
            Self::Signed(value) => value.into_bound_py_any(py),
            Self::Unsigned(value) => value.into_bound_py_any(py),
            Self::Float(value) => value.into_bound_py_any(py),
            Self::Text(value) => value.into_bound_py_any(py),
        }
    }
}

/// What an event says, read field by field.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
    log_target: Option<String>,
    log_file: Option<String>,
    log_line: Option<u32>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text)) => self.message = text,
            ("message", value) => self.message = value.to_string(),
            ("log.target", Value::Text(text)) => self.log_target = Some(text),
            ("log.file", Value::Text(text)) => self.log_file = Some(text),
            ("log.line", Value::Unsigned(line)) => self.log_line = line.try_into().ok(),
            ("log.module_path", _) => {}
            (name, value) => {
                self.others
                    .push((name.strip_prefix("r#").unwrap_or(name), value));
            }
        }
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Value::Float(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, Value::Text(value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, Value::Text(format!("{value:?}")));
    }
}
