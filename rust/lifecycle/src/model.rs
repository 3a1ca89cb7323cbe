//! A model of the contract, held against the implementation by random sequences of operations.
//!
//! A sequence is up to 50 operations: how the hook that is awaited ends, requests, controls,
//! signals, loss of discovery, time. [`world`] plays them to the real [`run`](crate::run()) and the
//! real [`Transitions`](crate::controls::Transitions) in simulated time; [`contract`] says, from the
//! contract alone, what must be seen and when. The two traces must be the same, to the millisecond.
//!
//! So that nothing of the run's trace depends on who is first within a millisecond, operations come
//! at multiples of 40 ms, and requests end 3 ms beside the tens. Timers count whole milliseconds, so
//! half of an odd share is rounded up.

mod contract;
mod controls;
mod operation;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use operation::Sequence;

const SEQUENCES: u32 = 10_000;
const LONGEST: usize = 50;
/// Of a shutdown, and of an engine that is put to sleep; in milliseconds, like all of the model.
const GRACE: u64 = 5_000;

/// What was seen of one sequence.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    /// Milliseconds since the beginning, and what happened.
    trace: Vec<(u64, String)>,
    /// The end of the run: `killed`, or reason, error, failed stages, finished and cut requests.
    end: String,
}

impl Seen {
    /// Controls that do something in the same millisecond do it in any order, also in relation to
    /// the run: they come after the run's own entries.
    fn in_order(mut self) -> Self {
        let control = |what: &str| what.starts_with("control ");
        self.trace.sort_by(|(at, what), (other_at, other)| {
            let text = |what: &str| {
                if control(what) {
                    what.to_owned()
                } else {
                    String::new()
                }
            };
            (at, text(what)).cmp(&(other_at, text(other)))
        });
        self
    }
}

#[test]
fn sections_2_to_7_and_12_the_implementation_does_what_the_model_says() {
    let config = Config {
        cases: SEQUENCES,
        failure_persistence: None,
        ..Config::default()
    };
    // The same sequences on every machine: a failure is one for everybody.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let ends = std::cell::RefCell::new(std::collections::BTreeMap::<String, usize>::new());
    let steps = std::cell::Cell::new(0);
    let result = runner.run(&operation::sequences(LONGEST), |sequence| {
        let wanted = contract::predict(&sequence);
        let found = world::play(&sequence);
        steps.set(steps.get() + sequence.operations.len());
        let kind = wanted.end.split(',').next().unwrap_or_default();
        *ends.borrow_mut().entry(kind.to_owned()).or_default() += 1;
        let differs = wanted
            .trace
            .iter()
            .zip(&found.trace)
            .position(|(a, b)| a != b);
        prop_assert_eq!(
            &wanted,
            &found,
            "they part at entry {:?}; left is the model\nreplay with world::play(&{:?})",
            differs,
            sequence
        );
        Ok(())
    });
    println!(
        "{SEQUENCES} sequences, {} steps, ends: {:?}",
        steps.get(),
        ends.borrow()
    );
    if let Err(error) = result {
        panic!("{error}");
    }
    // Sequences that all end the same way would show nothing.
    for end in ["killed", "Asked", "Ended", "Failed"] {
        let count = ends.borrow().get(end).copied().unwrap_or_default();
        assert!(count >= 100, "only {count} sequences ended {end}");
    }
}
