//! From the threads that make tokens to the tasks that send them, and back.
//!
//! A crate of its own, without Python: its tests compile in seconds; queue, wake-ups and mailbox run under
//! loom.
//!
//! | module | what it is |
//! |---|---|
//! | [`chunk`] | what an engine made for one request in one turn, small until it is read |
//! | [`queue`] | the chunks of one request, between who makes them and who sends them |
//! | [`wakeups`] | readers that are to be woken: one wake-up of tokio for all that come meanwhile |
//! | [`notify`] | a thread that sleeps until it is told something, a step loop's |
//! | [`mailbox`] | messages to a thread that waits for a file descriptor, an event loop's |
//! | [`eventfd`] | that descriptor |
//! | [`origin`] | the process that something was made in: a forked child is another |
//!
//! What wakes a thread knows its process and does nothing in a forked child, which has none of its
//! parent's threads.

#![warn(missing_docs)]

pub mod chunk;
pub mod eventfd;
pub mod mailbox;
pub mod notify;
pub mod origin;
pub mod queue;
mod sync;
pub mod wakeups;
