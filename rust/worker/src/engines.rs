//! Engines that come with the worker.

mod echo;

pub use echo::Echo;
