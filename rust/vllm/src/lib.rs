//! What vLLM's engine core sends to its client for each step, read where it lies.
//!
//! A crate of its own, so that its tests and its fuzzing compile in seconds: it knows neither
//! Dynamo nor Python nor sockets.
//!
//! | module | what it is |
//! |---|---|
//! | [`layout`] | which place of a message is which field, from the structs of the release that runs |
//! | [`step`] | one message: a step of the scheduler, and what of it goes on to vLLM's own client |
//! | [`output`] | what a step has for one request |
//! | [`logprobs`] | the log probabilities of an output: numpy's arrays |
//! | [`requests`] | whose outputs are expected here, and whose are wanted no more |
//! | [`load`] | the scheduler's statistics, as the load of a rank |
//! | [`statistics`] | what vLLM's own statistics need of each step |
//!
//! Nothing here panics, whatever the bytes are: what cannot be read is told by the field's name.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod layout;
pub mod load;
pub mod logprobs;
mod msgpack;
pub mod output;
pub mod requests;
#[cfg(any(test, fuzzing))]
mod samples;
pub mod statistics;
pub mod step;

pub use layout::Layout;
pub use load::Load;
pub use logprobs::Logprobs;
pub use output::{Finish, Output, Stop};
pub use requests::Requests;
pub use statistics::Statistics;
pub use step::{ENGINE_CORE_DEAD, Step};
