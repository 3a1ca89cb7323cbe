//! How many requests the engine has at a time, where that has a limit.
//!
//! The runtime has a limit of its own, and keeps what exceeds it where no shutdown sees it; so its
//! variables are taken over. The time for those that wait is the worker's own.

use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use dynamo_backend_environment::{
    DYN_DYNAMO_REQUEST_QUEUE_LIMIT, DYN_ENGINE_REQUEST_LIMIT, DYN_REQUEST_QUEUE_TIMEOUT_SECS,
    Variable,
};
use dynamo_runtime::error::DynamoError;
use futures::Stream;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::WorkerConfig;
use crate::error::ErrorClass;

const DEFAULT_QUEUE: usize = 16;

/// What the variables said when they were taken.
static TAKEN: Mutex<[Option<String>; 2]> = Mutex::new([const { None }; 2]);

/// Keeps the configured limit for the worker, and the runtime from having it too.
///
/// Called again it finds what was kept, and takes what was set in between.
pub(crate) fn take_over() {
    let mut taken = TAKEN.lock();
    let variables = [DYN_ENGINE_REQUEST_LIMIT, DYN_DYNAMO_REQUEST_QUEUE_LIMIT];
    for (variable, kept) in variables.into_iter().zip(&mut *taken) {
        if let Some(text) = variable.text() {
            *kept = Some(text);
            variable.remove();
        }
    }
}

/// The turns of a worker's requests; clones share them. Without a limit every request has its turn at
/// once.
#[derive(Clone, Default)]
pub(crate) struct Turns {
    limit: Option<Limit>,
}

#[derive(Clone)]
pub(crate) struct Limit {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    most: usize,
    waiting: usize,
    patience: Option<Duration>,
}

impl Turns {
    /// As the configuration has it, and the environment where that says nothing.
    pub(crate) fn configured(config: &WorkerConfig) -> Self {
        let [limit, queue] = TAKEN.lock().clone();
        let count = |field: Option<u32>| field.map(|field| field as usize);
        let most = count(config.max_concurrent_requests)
            .or_else(|| whole_number(DYN_ENGINE_REQUEST_LIMIT, 1, limit));
        let Some(most) = most else {
            return Self::default();
        };
        let waiting = count(config.max_queued_requests)
            .or_else(|| whole_number(DYN_DYNAMO_REQUEST_QUEUE_LIMIT, 0, queue));
        let seconds = config.max_queued_seconds.or_else(|| {
            let variable = DYN_REQUEST_QUEUE_TIMEOUT_SECS;
            seconds(variable, variable.text())
        });
        Self::new(
            most,
            waiting.unwrap_or(DEFAULT_QUEUE),
            seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        )
    }

    /// `most` requests at a time, and `waiting` places for those that wait, for `patience` at most.
    pub(crate) fn new(most: usize, waiting: usize, patience: Option<Duration>) -> Self {
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self {
            limit: Some(Limit {
                turns: semaphore(most),
                places: semaphore(waiting),
                most,
                waiting,
                patience,
            }),
        }
    }

    /// A turn, or a place among those that wait for one.
    ///
    /// # Errors
    ///
    /// No place is free: a frontend tries another worker.
    pub(crate) fn ask(&self) -> Result<Turn, DynamoError> {
        let Some(limit) = &self.limit else {
            return Ok(Turn::Unlimited);
        };
        if let Ok(turn) = limit.turns.clone().try_acquire_owned() {
            return Ok(Turn::Taken(turn));
        }
        match limit.places.clone().try_acquire_owned() {
            Ok(place) => Ok(Turn::Awaited(limit.clone(), place)),
            Err(_) => Err(overloaded(limit.is_reached())),
        }
    }

    /// Why the next request would be refused; `None` where it would not.
    pub(crate) fn why_full(&self) -> Option<String> {
        let limit = self.limit.as_ref()?;
        let is_full = limit.turns.available_permits() == 0 && limit.places.available_permits() == 0;
        is_full.then(|| limit.is_reached())
    }
}

impl Limit {
    fn is_reached(&self) -> String {
        let Self { most, waiting, .. } = self;
        format!(
            "the worker has as many requests as it may have at a time ({most}, \
             max_concurrent_requests), and as many as may wait ({waiting}, max_queued_requests)"
        )
    }
}

/// An error on which a frontend tries another worker.
fn overloaded(message: String) -> DynamoError {
    DynamoError::builder()
        .class(ErrorClass::WorkerOverloaded)
        .message(message)
        .build()
}

fn whole_number(variable: Variable, least: usize, text: Option<String>) -> Option<usize> {
    let (text, number) = read(text)?;
    let number = number.filter(|number| *number >= least);
    if number.is_none() {
        tracing::warn!(
            "{variable} is '{text}', which is no whole number of {least} or more; it is ignored"
        );
    }
    number
}

fn seconds(variable: Variable, text: Option<String>) -> Option<f64> {
    let (text, seconds) = read::<f64>(text)?;
    let seconds = seconds.filter(|seconds| crate::config::is_patience(*seconds));
    if seconds.is_none() {
        tracing::warn!(
            "{variable} is '{text}', which is no number of seconds above 0; it is ignored"
        );
    }
    seconds
}

/// Of a variable that is set, its text and what that means.
fn read<T: FromStr>(text: Option<String>) -> Option<(String, Option<T>)> {
    let text = text.filter(|text| !text.trim().is_empty())?;
    let value = text.trim().parse().ok();
    Some((text, value))
}

/// The turn of one request.
pub(crate) enum Turn {
    Unlimited,
    Taken(OwnedSemaphorePermit),
    Awaited(Limit, OwnedSemaphorePermit),
}

impl Turn {
    /// Waits for the turn, behind those that have waited for longer.
    ///
    /// # Errors
    ///
    /// It did not come in time.
    pub(crate) async fn come(self) -> Result<Self, DynamoError> {
        let Self::Awaited(limit, _place) = self else {
            return Ok(self);
        };
        let turn = limit.turns.clone().acquire_owned();
        let turn = match limit.patience {
            None => turn.await,
            Some(patience) => tokio::time::timeout(patience, turn).await.map_err(|_| {
                overloaded(format!(
                    "the request's turn did not come within {patience:?} (max_queued_seconds)"
                ))
            })?,
        };
        // The semaphore is never closed.
        Ok(turn.map_or(Self::Unlimited, Self::Taken))
    }

    /// The turn lasts as long as the engine's stream.
    pub(crate) fn with<T: 'static>(self, stream: BoxStream<'static, T>) -> BoxStream<'static, T> {
        match self {
            Self::Taken(turn) => Box::pin(InTurn {
                stream,
                _turn: turn,
            }),
            _ => stream,
        }
    }
}

struct InTurn<T> {
    stream: BoxStream<'static, T>,
    _turn: OwnedSemaphorePermit,
}

impl<T> Stream for InTurn<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_exceeds_the_limit_waits_and_who_finds_no_place_is_refused() {
        let turns = Turns::new(1, 1, None);
        let first = turns.ask().unwrap();
        assert_eq!(turns.why_full(), None);
        let second = turns.ask().unwrap();
        assert!(turns.why_full().unwrap().contains("max_queued_requests"));
        let error = turns.ask().err().unwrap();
        assert_eq!(error.class(), ErrorClass::CapacityExhausted);
        let stream = first.with(Box::pin(futures::stream::empty::<()>()));
        let mut second = std::pin::pin!(second.come());
        assert!(futures::poll!(&mut second).is_pending());
        drop(stream);
        assert!(matches!(second.await, Ok(Turn::Taken(_))));
        assert_eq!(turns.why_full(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_does_not_come_in_time_is_refused_and_its_place_is_free() {
        let turns = Turns::new(1, 1, Some(Duration::from_secs(3)));
        let _first = turns.ask().unwrap();
        let error = turns.ask().unwrap().come().await.err().unwrap();
        assert_eq!(error.error_type(), ErrorClass::WorkerOverloaded);
        assert!(error.message().contains("within 3s"), "{error}");
        assert!(turns.ask().is_ok());
    }

    #[tokio::test]
    async fn without_a_limit_nobody_waits() {
        let turns = Turns::default();
        for _ in 0..100 {
            let turn = turns.ask().unwrap();
            assert!(matches!(turn.come().await, Ok(Turn::Unlimited)));
        }
        assert_eq!(turns.why_full(), None);
    }

    #[test]
    fn the_runtimes_variables_are_taken_over_and_fields_come_first() {
        DYN_ENGINE_REQUEST_LIMIT.set("3");
        DYN_REQUEST_QUEUE_TIMEOUT_SECS.set("2.5");
        take_over();
        assert_eq!(DYN_ENGINE_REQUEST_LIMIT.text(), None);
        let limit = |config: &WorkerConfig| Turns::configured(config).limit.unwrap();
        let config = WorkerConfig::default();
        assert_eq!(limit(&config).turns.available_permits(), 3);
        assert_eq!(limit(&config).places.available_permits(), DEFAULT_QUEUE);
        assert_eq!(limit(&config).patience, Some(Duration::from_millis(2500)));
        let config = WorkerConfig {
            max_concurrent_requests: Some(5),
            max_queued_requests: Some(0),
            max_queued_seconds: Some(1.0),
            ..config
        };
        assert_eq!(limit(&config).turns.available_permits(), 5);
        assert_eq!(limit(&config).places.available_permits(), 0);
        assert_eq!(limit(&config).patience, Some(Duration::from_secs(1)));
        *TAKEN.lock() = [const { None }; 2];
        DYN_REQUEST_QUEUE_TIMEOUT_SECS.remove();
        let config = WorkerConfig::default();
        assert!(Turns::configured(&config).limit.is_none());
    }

    #[test]
    fn a_variable_that_says_nothing_is_ignored() {
        let limit = |text: &str| whole_number(DYN_ENGINE_REQUEST_LIMIT, 1, Some(text.into()));
        for text in ["many", "-1", "1.5", "0"] {
            assert_eq!(limit(text), None, "{text}");
        }
        assert_eq!(limit(" 1 "), Some(1));
        let queue = DYN_DYNAMO_REQUEST_QUEUE_LIMIT;
        assert_eq!(whole_number(queue, 0, Some("0".into())), Some(0));
        assert_eq!(queue.otherwise, format!("`{DEFAULT_QUEUE}`"));
        let patience = DYN_REQUEST_QUEUE_TIMEOUT_SECS;
        for text in ["long", "0", "-1", "inf", "nan"] {
            assert_eq!(seconds(patience, Some(text.into())), None, "{text}");
        }
        assert_eq!(seconds(patience, Some(" ".into())), None);
    }
}
