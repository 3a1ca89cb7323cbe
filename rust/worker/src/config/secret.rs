//! A text that is shown nowhere.

use std::fmt;

use dynamo_runtime::error::DynamoError;

use crate::error::invalid_argument;

/// A text that no log and no error shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it can be sent in the header of a request.
    pub(super) fn check(&self, name: &str) -> Result<(), DynamoError> {
        let why = if self.0.trim().is_empty() {
            "is blank"
        } else if self.0.trim().chars().any(char::is_control) {
            "has a line break or another control character, which no header can carry"
        } else {
            return Ok(());
        };
        Err(invalid_argument(format!(
            "{name}: what is given {why}; accepted: one line of text, or unset"
        )))
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
