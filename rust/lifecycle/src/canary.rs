//! The health canary: which payload it sends, the marker by which an engine knows it, and in
//! `probing` when it is sent and what it says.
//!
//! The first source that is set decides: the configuration, the variable
//! `DYN_HEALTH_CHECK_PAYLOAD`, the engine. The engine is asked only where neither of the two
//! before it gave a payload.

mod probing;

use std::fmt::Display;
use std::io;
use std::path::Path;

use dynamo_backend_environment::DYN_HEALTH_CHECK_PAYLOAD;
use serde_json::{Map, Value};

pub use probing::{Probed, Times, Vitals, keep_probing};

/// The key that marks a probe; its value is `true`.
pub const HEALTH_CHECK_KEY: &str = "_HEALTH_CHECK";

/// A payload with its marker.
pub type Payload = Map<String, Value>;

/// What the operator's sources decide.
#[derive(Clone, Debug, PartialEq)]
pub enum Canary {
    /// Probe with this.
    On(Payload),
    /// Do not probe.
    Off,
    /// The operator gave nothing: ask the engine, see [`from_engine`].
    AskEngine,
}

/// Chooses between the operator's sources; answers warnings beside the choice.
///
/// `variable` is the value of [`DYN_HEALTH_CHECK_PAYLOAD`], `read` reads a file that it names.
///
/// ```
/// use dynamo_backend_lifecycle::canary::{Canary, HEALTH_CHECK_KEY, from_operator};
///
/// let variable = Some(r#"{"token_ids": [1]}"#);
/// let (canary, warnings) = from_operator(None, variable, |path| std::fs::read_to_string(path));
/// let Canary::On(payload) = canary else { panic!("{warnings:?}") };
/// assert_eq!(payload[HEALTH_CHECK_KEY], true);
/// ```
pub fn from_operator(
    configured: Option<&Value>,
    variable: Option<&str>,
    read: impl FnOnce(&Path) -> io::Result<String>,
) -> (Canary, Vec<String>) {
    if let Some(value) = configured {
        return match marked(value.clone()) {
            Ok(payload) => (Canary::On(payload), Vec::new()),
            Err(kind) => (Canary::Off, vec![disabled("health_check_payload", kind)]),
        };
    }
    match variable.map(str::trim).filter(|text| !text.is_empty()) {
        None => (Canary::AskEngine, Vec::new()),
        Some(text) => match from_variable(text, read) {
            Ok(payload) => (Canary::On(payload), Vec::new()),
            Err(problem) => (
                Canary::AskEngine,
                vec![format!(
                    "{DYN_HEALTH_CHECK_PAYLOAD} is ignored: {problem}; a JSON object or @path of \
                     a file that holds one is accepted"
                )],
            ),
        },
    }
}

/// Takes what the engine's `health_check_payload` answered; `None` is no canary. A warning beside
/// it says why, where the engine failed or answered something else than an object.
pub fn from_engine<E: Display>(
    answer: Result<Option<Value>, E>,
) -> (Option<Payload>, Option<String>) {
    const SOURCE: &str = "the engine's health_check_payload";
    match answer {
        Ok(None) => (None, None),
        Ok(Some(value)) => match marked(value) {
            Ok(payload) => (Some(payload), None),
            Err(kind) => (None, Some(disabled(SOURCE, kind))),
        },
        Err(error) => {
            let warning = format!("{SOURCE} failed, the health canary is off: {error}");
            (None, Some(warning))
        }
    }
}

fn from_variable(
    text: &str,
    read: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<Payload, String> {
    let (source, json) = match text.strip_prefix('@') {
        None => ("its value".to_owned(), text.to_owned()),
        Some(path) => {
            let json = read(Path::new(path))
                .map_err(|error| format!("the file '{path}' cannot be read: {error}"))?;
            (format!("the file '{path}'"), json)
        }
    };
    let value: Value =
        serde_json::from_str(&json).map_err(|error| format!("{source} is no JSON: {error}"))?;
    marked(value).map_err(|kind| format!("{source} is {kind}"))
}

/// The object with its marker, or the name of what is no object.
fn marked(value: Value) -> Result<Payload, &'static str> {
    match value {
        Value::Object(mut payload) => {
            payload.insert(HEALTH_CHECK_KEY.to_owned(), Value::Bool(true));
            Ok(payload)
        }
        Value::Null => Err("null"),
        Value::Bool(_) => Err("a boolean"),
        Value::Number(_) => Err("a number"),
        Value::String(_) => Err("a string"),
        Value::Array(_) => Err("an array"),
    }
}

fn disabled(source: &str, kind: &str) -> String {
    format!("{source} is {kind}, not an object: the health canary is off")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn no_file(path: &Path) -> io::Result<String> {
        panic!("{} must not be read", path.display())
    }

    fn on(value: Value) -> Canary {
        Canary::On(value.as_object().unwrap().clone())
    }

    #[test]
    fn section_8_the_configuration_goes_before_the_variable() {
        let configured = json!({"from": "config"});
        let (canary, warnings) = from_operator(Some(&configured), Some("@never"), no_file);
        assert_eq!(canary, on(json!({"from": "config", "_HEALTH_CHECK": true})));
        assert!(warnings.is_empty());
    }

    #[test]
    fn section_8_the_marker_is_set_also_over_a_false() {
        for mark in [json!(false), json!("no"), json!(null), json!(true)] {
            let given = json!({"_HEALTH_CHECK": mark});
            let marked = json!({"_HEALTH_CHECK": true});
            let (canary, _) = from_operator(Some(&given), None, no_file);
            assert_eq!(canary, on(marked.clone()));
            let (canary, _) = from_operator(None, Some(&given.to_string()), no_file);
            assert_eq!(canary, on(marked.clone()));
            let (payload, _) = from_engine::<String>(Ok(Some(given)));
            assert_eq!(payload.as_ref(), marked.as_object());
        }
    }

    #[test]
    fn section_8_a_configuration_that_is_no_object_disables_the_canary() {
        for value in [json!(null), json!(1), json!("{}"), json!([]), json!(true)] {
            let (canary, warnings) = from_operator(Some(&value), Some("{}"), no_file);
            assert_eq!(canary, Canary::Off, "{value}");
            assert_eq!(warnings.len(), 1, "{value}");
        }
    }

    #[test]
    fn section_8_the_variable_is_an_object_or_a_file() {
        let (canary, warnings) = from_operator(None, Some(r#" {"a": 1} "#), no_file);
        assert_eq!(
            (canary, warnings),
            (on(json!({"a": 1, "_HEALTH_CHECK": true})), vec![])
        );

        let read = |path: &Path| {
            assert_eq!(path, Path::new("probe file.json"));
            Ok("{\"b\": 2}\n".to_owned())
        };
        let (canary, warnings) = from_operator(None, Some("@probe file.json"), read);
        assert_eq!(
            (canary, warnings),
            (on(json!({"b": 2, "_HEALTH_CHECK": true})), vec![])
        );
    }

    #[test]
    fn section_8_an_empty_variable_is_unset_silently() {
        for variable in [None, Some(""), Some("  ")] {
            let found = from_operator(None, variable, no_file);
            assert_eq!(found, (Canary::AskEngine, vec![]), "{variable:?}");
        }
    }

    #[test]
    fn section_8_a_bad_variable_warns_and_leaves_it_to_the_engine() {
        for text in ["{", "nonsense", "[]", "1", "null", "\"@x\""] {
            let (canary, warnings) = from_operator(None, Some(text), no_file);
            assert_eq!(canary, Canary::AskEngine, "{text}");
            assert!(
                warnings.len() == 1 && warnings[0].starts_with(DYN_HEALTH_CHECK_PAYLOAD.name),
                "{text}"
            );
        }
        let files: [fn(&Path) -> io::Result<String>; 3] = [
            |_| Err(io::ErrorKind::NotFound.into()),
            |_| Ok("{".to_owned()),
            |_| Ok("[]".to_owned()),
        ];
        for read in files {
            let (canary, warnings) = from_operator(None, Some("@probe.json"), read);
            assert_eq!(canary, Canary::AskEngine);
            assert!(
                warnings.len() == 1 && warnings[0].contains("'probe.json'"),
                "{warnings:?}"
            );
        }
    }

    #[test]
    fn section_8_the_engines_answer() {
        assert_eq!(from_engine::<String>(Ok(None)), (None, None));
        let (payload, warning) = from_engine::<String>(Ok(Some(json!([]))));
        assert!(payload.is_none() && warning.unwrap().contains("an array"));
        let (payload, warning) = from_engine(Err("no model"));
        assert!(payload.is_none() && warning.unwrap().contains("no model"));
    }
}
