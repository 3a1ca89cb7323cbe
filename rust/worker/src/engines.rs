//! Engines that come with the worker, and the door by which others enter.

mod echo;
mod foreign;

pub use echo::Echo;
pub use foreign::ForeignEngine;
