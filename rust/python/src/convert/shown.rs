//! Values in messages: what a client sent, or a model wrote, is not told.
//!
//! A message reaches the log and whoever reads it. A number, None and a word that looks like a name
//! of the interface say what is wrong; of everything else its type does, and its length.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};

use super::plain::plain;
use super::type_name::type_name;

/// The longest name of an interface, and more than any number needs.
const LONGEST: usize = 24;

/// The longest key that is told.
const LONGEST_KEY: usize = 64;

/// What `value` is.
pub(crate) fn described(value: &Bound<'_, PyAny>) -> String {
    if value.is_none() {
        return "None".into();
    }
    let name = type_name(value);
    if let Ok(text) = value.cast::<PyString>() {
        let text = text.to_string_lossy();
        return format!("{} (of type {name})", self::text(&text));
    }
    // Before anything is made of it: it may be large.
    if let Ok(length) = value.len() {
        return format!("a value of type {name}, of length {length}");
    }
    // numpy's numbers are no subclasses of Python's.
    let own = plain(value).unwrap_or_else(|| value.clone());
    let is_number = own.is_instance_of::<PyInt>()
        || own.is_instance_of::<PyFloat>()
        || own.is_instance_of::<PyBool>();
    match own.str() {
        Ok(number) if is_number && number.len().is_ok_and(|length| length <= LONGEST) => {
            format!("{number} (of type {name})")
        }
        _ => format!("a value of type {name}"),
    }
}

/// A key in a chunk, in quotes: an engine's own word, unless it does not look like one.
pub(crate) fn key(key: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if key.len() <= LONGEST_KEY && key.bytes().all(is_word) {
        format!("'{key}'")
    } else {
        text(key)
    }
}

/// A text that looks like a name, in quotes; of another its length.
pub(crate) fn text(text: &str) -> String {
    let is_name = text.len() <= LONGEST
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if is_name {
        format!("'{text}'")
    } else {
        format!("a text of {} characters", text.chars().count())
    }
}
