//! What the load client and the Rust workers of the benches share: how a request says what its
//! engine shall do, and the Rust engine that does it.

mod clock;
mod engine;
mod shape;

pub use clock::micros;
pub use engine::{FREE_TOKEN, spin_beside, tokens};
pub use shape::{Pace, Shape};
