//! Whose outputs are expected here, and whose are wanted no more.

use std::collections::{HashMap, VecDeque};

/// Requests that are gone and remembered: by then the engine core has long let go of the oldest.
const MOST_GONE: usize = 1024;

/// Seconds after which outputs of a request that is gone are no remnant: it was not aborted.
const PATIENCE: f64 = 1.0;

/// The requests that were expected, each with a `T`.
#[derive(Debug)]
pub struct Requests<T> {
    known: HashMap<String, Known<T>>,
    /// Those that went, oldest first.
    gone: VecDeque<String>,
    given_up: Vec<String>,
}

#[derive(Debug)]
enum Known<T> {
    Live(T),
    /// With the time of the first output that came all the same, on the core's clock.
    Gone(Option<f64>),
}

/// Whose an output is.
#[derive(Debug, PartialEq)]
pub enum Whose<'a, T> {
    /// A request's that is expected here.
    Live(&'a mut T),
    /// Nobody's any more.
    Gone,
    /// Somebody else's.
    Other,
}

impl<T> Requests<T> {
    /// Expects outputs of a request; `false`: they are expected already.
    pub fn expect(&mut self, request_id: String, of: T) -> bool {
        if let Some(Known::Live(_)) = self.known.get(&request_id) {
            return false;
        }
        self.known.insert(request_id, Known::Live(of));
        true
    }

    /// Whose an output is that came at `timestamp`.
    pub fn whose(&mut self, request_id: &str, timestamp: f64) -> Whose<'_, T> {
        match self.known.get_mut(request_id) {
            None => Whose::Other,
            Some(Known::Live(of)) => Whose::Live(of),
            Some(Known::Gone(since)) => {
                if timestamp - *since.get_or_insert(timestamp) > PATIENCE {
                    *since = Some(timestamp);
                    self.given_up.push(request_id.to_owned());
                }
                Whose::Gone
            }
        }
    }

    /// A request's last output came.
    pub fn finish(&mut self, request_id: &str) {
        self.known.remove(request_id);
    }

    /// Has the outputs dropped of the requests that `is_gone`; their ids are told by
    /// [`given_up`](Self::given_up).
    pub fn give_up(&mut self, is_gone: impl Fn(&T) -> bool) {
        let gone = self.known.iter_mut().filter_map(|(request_id, known)| {
            let given_up = matches!(known, Known::Live(of) if is_gone(of));
            given_up.then(|| {
                *known = Known::Gone(None);
                request_id.clone()
            })
        });
        for request_id in gone.collect::<Vec<_>>() {
            self.given_up.push(request_id.clone());
            self.remember(request_id);
        }
    }

    /// What the engine core is to abort, since the last call. An id is told again where outputs
    /// come all the same.
    pub fn given_up(&mut self) -> Vec<String> {
        std::mem::take(&mut self.given_up)
    }

    /// The requests that are expected.
    pub fn live(&self) -> impl Iterator<Item = &T> {
        self.known.values().filter_map(|known| match known {
            Known::Live(of) => Some(of),
            Known::Gone(_) => None,
        })
    }

    fn remember(&mut self, request_id: String) {
        self.gone.push_back(request_id);
        if self.gone.len() > MOST_GONE
            && let Some(oldest) = self.gone.pop_front()
            && let Some(Known::Gone(_)) = self.known.get(&oldest)
        {
            self.known.remove(&oldest);
        }
    }
}

impl<T> Default for Requests<T> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            gone: VecDeque::new(),
            given_up: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_have_one_owner_until_the_last_one() {
        let mut requests = Requests::default();
        assert!(requests.expect("a".into(), 1));
        assert!(!requests.expect("a".into(), 2));
        assert_eq!(requests.whose("a", 0.0), Whose::Live(&mut 1));
        assert_eq!(requests.whose("b", 0.0), Whose::Other);
        requests.finish("a");
        assert_eq!(requests.whose("a", 0.0), Whose::Other);
        assert_eq!(requests.live().count(), 0);
    }

    #[test]
    fn what_nobody_wants_is_dropped_until_its_last_output() {
        let mut requests = Requests::default();
        requests.expect("a".into(), 1);
        requests.expect("b".into(), 2);
        requests.give_up(|of| *of == 2);
        requests.give_up(|of| *of == 2);
        assert_eq!(requests.given_up(), ["b"]);
        assert!(requests.given_up().is_empty());
        assert_eq!(requests.whose("b", 0.0), Whose::Gone);
        requests.finish("b");
        assert_eq!(requests.whose("b", 0.0), Whose::Other);
        assert_eq!(requests.live().count(), 1);
    }

    #[test]
    fn a_request_that_goes_on_is_given_up_again() {
        let mut requests = Requests::default();
        requests.expect("a".into(), ());
        requests.give_up(|()| true);
        assert_eq!(requests.given_up(), ["a"]);
        for timestamp in [10.0, 10.5, 11.0] {
            assert_eq!(requests.whose("a", timestamp), Whose::Gone);
        }
        assert!(requests.given_up().is_empty());
        assert_eq!(requests.whose("a", 11.5), Whose::Gone);
        assert_eq!(requests.whose("a", 12.0), Whose::Gone);
        assert_eq!(requests.given_up(), ["a"]);
    }

    #[test]
    fn those_that_went_are_not_remembered_for_ever() {
        let mut requests = Requests::default();
        for number in 0..MOST_GONE + 10 {
            requests.expect(number.to_string(), ());
            requests.give_up(|()| true);
        }
        assert_eq!(requests.known.len(), MOST_GONE);
        assert_eq!(requests.gone.len(), MOST_GONE);
        assert_eq!(requests.whose("9", 0.0), Whose::Other);
        assert_eq!(requests.whose("10", 0.0), Whose::Gone);
    }
}
