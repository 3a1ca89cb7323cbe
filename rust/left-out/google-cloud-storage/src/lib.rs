//! The part of Google's client for buckets that `modelexpress-common` names, and nothing behind it.
//!
//! `dynamo-llm` fetches models with `modelexpress-common`, from the Hugging Face hub and from NGC. It
//! never asks for a bucket, but the client for them, and nine crates that only it needs, would be
//! compiled all the same. Here no client can be made: [`NotBuilt`] is the answer, so that what lies
//! behind a client needs no code.

use std::fmt;

pub mod client;
pub mod model;
pub mod model_ext;
pub mod stub;

pub type Result<T> = std::result::Result<T, NotBuilt>;

/// The error of every client that is asked for.
#[derive(Debug)]
pub struct NotBuilt;

impl fmt::Display for NotBuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "this build cannot read Google's buckets (gs://); download the model and name its folder",
        )
    }
}

impl std::error::Error for NotBuilt {}
