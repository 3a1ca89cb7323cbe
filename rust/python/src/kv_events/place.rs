//! Where an error about what was published stands.

use std::fmt::{self, Display};

/// A call of a publisher, or an event of one.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Call(&'static str),
    /// Of `publish_batch`, by its number.
    Event(usize),
}

impl Place {
    /// One of its arguments.
    pub(super) fn argument(self, name: &'static str) -> Argument {
        Argument { place: self, name }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(name) => f.write_str(name),
            Self::Event(number) => write!(f, "publish_batch: event {number}, counted from 0"),
        }
    }
}

/// An argument of a call, or a key of an event.
#[derive(Clone, Copy)]
pub(super) struct Argument {
    place: Place,
    name: &'static str,
}

impl Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.name)
    }
}
