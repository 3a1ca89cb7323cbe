//! How many requests the engine has at a time, where that has a limit.
//!
//! The runtime has a limit of its own, and keeps what exceeds it where no shutdown sees it; so its
//! variables are taken over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_runtime::error::DynamoError;
use futures::Stream;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::EngineStream;
use crate::environment::remove_variable;
use crate::error::ErrorClass;

const LIMIT: &str = "DYN_ENGINE_REQUEST_LIMIT";
const QUEUE: &str = "DYN_DYNAMO_REQUEST_QUEUE_LIMIT";
const DEFAULT_QUEUE: usize = 16;

/// What the two variables said when they were taken.
static TAKEN: Mutex<[Option<String>; 2]> = Mutex::new([None, None]);

/// Keeps the configured limit for the worker, and the runtime from having it too.
///
/// Called again it finds what was kept, and takes what was set in between.
pub(crate) fn take_over() {
    let mut taken = TAKEN.lock();
    for (variable, kept) in [LIMIT, QUEUE].into_iter().zip(&mut *taken) {
        if let Some(text) = std::env::var_os(variable) {
            *kept = Some(text.to_string_lossy().into_owned());
            remove_variable(variable);
        }
    }
}

/// The turns of a worker's requests. Without a limit every request has its turn at once.
#[derive(Default)]
pub(crate) struct Turns {
    limit: Option<Limit>,
}

struct Limit {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Turns {
    /// As the environment had it.
    pub(crate) fn configured() -> Self {
        let [limit, queue] = TAKEN.lock().clone();
        match number(LIMIT, limit) {
            Some(limit) => Self::new(limit.max(1), number(QUEUE, queue).unwrap_or(DEFAULT_QUEUE)),
            None => Self::default(),
        }
    }

    /// `turns` requests at a time, and `places` for those that wait.
    pub(super) fn new(turns: usize, places: usize) -> Self {
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self {
            limit: Some(Limit {
                turns: semaphore(turns),
                places: semaphore(places),
            }),
        }
    }

    /// A turn, or a place among those that wait for one.
    ///
    /// # Errors
    ///
    /// No place is free: a frontend tries another worker.
    pub(super) fn ask(&self) -> Result<Turn, DynamoError> {
        let Some(limit) = &self.limit else {
            return Ok(Turn::Unlimited);
        };
        if let Ok(turn) = limit.turns.clone().try_acquire_owned() {
            return Ok(Turn::Taken(turn));
        }
        match limit.places.clone().try_acquire_owned() {
            Ok(place) => Ok(Turn::Awaited(limit.turns.clone(), place)),
            Err(_) => Err(DynamoError::builder()
                .class(ErrorClass::WorkerOverloaded)
                .message("the worker has as many requests as it may have, and as many wait")
                .build()),
        }
    }
}

fn number(variable: &str, text: Option<String>) -> Option<usize> {
    let text = text.filter(|text| !text.trim().is_empty())?;
    let number = text.trim().parse().ok();
    if number.is_none() {
        tracing::warn!("{variable} is '{text}', which is no whole number; it is ignored");
    }
    number
}

/// The turn of one request.
pub(super) enum Turn {
    Unlimited,
    Taken(OwnedSemaphorePermit),
    Awaited(Arc<Semaphore>, OwnedSemaphorePermit),
}

impl Turn {
    pub(super) fn is_awaited(&self) -> bool {
        matches!(self, Self::Awaited(..))
    }

    /// Waits for the turn, behind those that have waited for longer.
    pub(super) async fn come(self) -> Self {
        match self {
            Self::Awaited(turns, _place) => match turns.acquire_owned().await {
                Ok(turn) => Self::Taken(turn),
                // It is never closed.
                Err(_) => Self::Unlimited,
            },
            other => other,
        }
    }

    /// The turn lasts as long as the engine's stream.
    pub(super) fn with(self, stream: EngineStream) -> EngineStream {
        match self {
            Self::Taken(turn) => Box::pin(InTurn {
                stream,
                _turn: turn,
            }),
            _ => stream,
        }
    }
}

struct InTurn {
    stream: EngineStream,
    _turn: OwnedSemaphorePermit,
}

impl Stream for InTurn {
    type Item = Result<LLMEngineOutput, DynamoError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::set_variable;

    #[tokio::test]
    async fn who_exceeds_the_limit_waits_and_who_finds_no_place_is_refused() {
        let turns = Turns::new(1, 1);
        let first = turns.ask().unwrap();
        assert!(!first.is_awaited());
        let second = turns.ask().unwrap();
        assert!(second.is_awaited());
        let error = turns.ask().err().unwrap();
        assert_eq!(error.class(), ErrorClass::CapacityExhausted);
        let stream = first.with(Box::pin(futures::stream::empty()));
        let mut second = std::pin::pin!(second.come());
        assert!(futures::poll!(&mut second).is_pending());
        drop(stream);
        assert!(!second.await.is_awaited());
        assert!(!turns.ask().unwrap().is_awaited());
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let turns = Turns::default();
        let taken: Vec<_> = (0..100).map(|_| turns.ask().unwrap()).collect();
        assert!(taken.iter().all(|turn| !turn.is_awaited()));
    }

    #[test]
    fn the_runtimes_variables_are_taken_over() {
        set_variable(LIMIT, "3");
        take_over();
        assert!(std::env::var_os(LIMIT).is_none());
        let limit = Turns::configured().limit.unwrap();
        assert_eq!(limit.turns.available_permits(), 3);
        assert_eq!(limit.places.available_permits(), DEFAULT_QUEUE);
        *TAKEN.lock() = [None, None];
        assert!(Turns::configured().limit.is_none());
        assert_eq!(number(LIMIT, Some("many".into())), None);
    }
}
