//! The operations of a sequence, and how they are drawn.

use proptest::collection::vec;
use proptest::prelude::*;

/// One thing that happens to a worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operation {
    /// The hook that is awaited ends, well or badly; nothing where none is.
    HookEnds { well: bool },
    /// So much time passes, in milliseconds.
    Pass(u64),
    /// A signal; also a second one.
    Signal,
    /// A request that takes so many milliseconds arrives.
    Request(u64),
    /// A control is called, whose engine takes so many milliseconds.
    Control {
        does: Does,
        takes: u64,
        reply: Reply,
        discovery_works: bool,
    },
    /// From now on the engine says this of its quiescence.
    Quiescent(Option<bool>),
    /// Serving ends by itself, or will as soon as it begins.
    ServingEnds,
    /// Discovery is lost.
    DiscoveryLost,
    /// The engine fails, and its watch says so as soon as it is looked at.
    EngineFails,
}

/// What a control is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Does {
    Sleep,
    Pause,
    Wake,
    Flush,
    Drain,
    Resume,
}

impl Does {
    /// The engine control's name; `None` of what is the worker's own.
    pub(super) fn control(self) -> Option<&'static str> {
        match self {
            Self::Sleep => Some("sleep"),
            Self::Pause => Some("pause_generation"),
            Self::Wake => Some("wake_up"),
            Self::Flush => Some("flush_cache"),
            Self::Drain | Self::Resume => None,
        }
    }
}

/// What the engine answers to a control.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reply {
    Done,
    Error,
    StillSleeping,
}

/// A worker and what happens to it.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    /// A prefill worker: it is asked whether it is quiescent.
    pub prefill: bool,
    /// Publishing is a fetch, which gives up when shutdown is asked for.
    pub fetches: bool,
    /// In the end its hooks return; else what is awaited then hangs until the deadline.
    pub finishes: bool,
    pub operations: Vec<Operation>,
}

impl Sequence {
    /// The operations, and then what ends every run: a signal and time.
    pub(super) fn to_the_end(&self) -> impl Iterator<Item = Operation> {
        let hooks = if self.finishes { 8 } else { 0 };
        let returns = [Operation::Pass(4_000), Operation::HookEnds { well: true }];
        let end = [Operation::Pass(40_000)];
        let operations = self.operations.iter().copied();
        operations
            .chain([Operation::Signal])
            .chain(std::iter::repeat_n(returns, hooks).flatten())
            .chain(end)
    }
}

/// Sequences that mostly get somewhere: hooks end well more often than not.
pub(super) fn sequences(longest: usize) -> impl Strategy<Value = Sequence> {
    let operations = vec(operation(), 1..=longest);
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.8));
    (flags, 0..5usize, operations).prop_map(
        move |((prefill, fetches, finishes), hooks, mut operations)| {
            // The first hooks are over soon, else half of the sequences would never serve.
            for hook in 0..hooks.min(operations.len()) {
                operations[hook] = Operation::HookEnds { well: true };
            }
            Sequence {
                prefill,
                fetches,
                finishes,
                operations,
            }
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    let reply = prop_oneof![
        3 => Just(Reply::Done),
        1 => Just(Reply::Error),
        1 => Just(Reply::StillSleeping),
    ];
    let does = prop_oneof![
        3 => Just(Does::Sleep),
        1 => Just(Does::Pause),
        3 => Just(Does::Wake),
        1 => Just(Does::Flush),
        2 => Just(Does::Drain),
        2 => Just(Does::Resume),
    ];
    let control = (does, 0..1000u64, reply, prop::bool::weighted(0.8)).prop_map(
        |(does, tens, reply, discovery_works)| Operation::Control {
            does,
            takes: tens * 10 + 6,
            reply,
            discovery_works,
        },
    );
    prop_oneof![
        8 => prop::bool::weighted(0.85).prop_map(|well| Operation::HookEnds { well }),
        8 => (1..200u64).prop_map(|steps| Operation::Pass(steps * 40)),
        1 => Just(Operation::Signal),
        6 => (0..4000u64).prop_map(|tens| Operation::Request(tens * 10 + 3)),
        6 => control,
        2 => prop_oneof![
            Just(None), Just(Some(false)), Just(Some(true))
        ].prop_map(Operation::Quiescent),
        1 => prop_oneof![
            Just(Operation::ServingEnds),
            Just(Operation::DiscoveryLost),
            Just(Operation::EngineFails),
        ],
    ]
}
