//! What is known when a run is over.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::stage::Stage;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Shutdown was asked for.
    Asked,
    /// Serving ended by itself, without an error.
    Ended,
    /// A step failed; the [`Outcome`]'s error says which.
    Failed,
}

/// The step of a run that an error came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Connecting the runtime, resolving the endpoint.
    Connect,
    /// The engine's `start`.
    Start,
    /// Metrics, publishers, card, controls.
    Publish,
    /// Serving the endpoint.
    Serve,
    /// The engine itself, which failed after its `start`: its `watch` says so.
    Engine,
}

impl Step {
    /// The step's name, with which errors begin.
    pub fn name(self) -> &'static str {
        match self {
            Step::Connect => "connect",
            Step::Start => "start",
            Step::Publish => "publish",
            Step::Serve => "serve",
            Step::Engine => "engine",
        }
    }
}

/// What happened in a run, whether it succeeded or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Why the run ended.
    pub reason: Reason,
    /// Requests that finished between the beginning of shutdown and the end of the wait.
    pub finished: u64,
    /// Requests that were cut at the end of the wait.
    pub cut: usize,
    /// What failed in shutdown without failing the run.
    pub failures: Vec<(Stage, String)>,
    /// How long each stage took, in the order in which they ran.
    pub stages: Vec<(Stage, Duration)>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            reason: Reason::Asked,
            finished: 0,
            cut: 0,
            failures: Vec::new(),
            stages: Vec::new(),
        }
    }

    /// How long `stage` took; `None` where it did not run.
    pub fn took(&self, stage: Stage) -> Option<Duration> {
        self.stages
            .iter()
            .find(|(ran, _)| *ran == stage)
            .map(|(_, took)| *took)
    }
}

/// The error of a run, with the step that it came from.
///
/// Its text begins with the step's name, except for [`Step::Publish`], which is several steps in
/// one: there the host's own error names the one that failed.
///
/// ```
/// use dynamo_backend_lifecycle::{RunError, Step};
///
/// let error = RunError { step: Step::Serve, error: "address in use" };
/// assert_eq!(error.to_string(), "serve: address in use");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunError<E> {
    /// The step that failed.
    pub step: Step,
    /// What the host said.
    pub error: E,
}

impl<E: fmt::Display> fmt::Display for RunError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Step::Publish => write!(f, "{}", self.error),
            step => write!(f, "{}: {}", step.name(), self.error),
        }
    }
}

impl<E: Error + 'static> Error for RunError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// The end of a run: its report, and its error where it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<E> {
    /// What happened, also where the run failed.
    pub report: Report,
    /// What failed the run; `None` is success.
    pub error: Option<RunError<E>>,
}

impl<E> Outcome<E> {
    /// The report of a success, or the error.
    pub fn into_result(self) -> Result<Report, RunError<E>> {
        match self.error {
            None => Ok(self.report),
            Some(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_11_errors_begin_with_the_step() {
        let text = |step| RunError { step, error: "why" }.to_string();
        assert_eq!(text(Step::Connect), "connect: why");
        assert_eq!(text(Step::Start), "start: why");
        assert_eq!(text(Step::Serve), "serve: why");
        assert_eq!(text(Step::Engine), "engine: why");
        assert_eq!(text(Step::Publish), "why");
    }
}
