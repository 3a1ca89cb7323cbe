//! Values across the boundary.

pub(crate) mod chunk;
pub(crate) mod config;
pub(crate) mod integers;
pub(crate) mod json;
pub(crate) mod python;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod shown;
