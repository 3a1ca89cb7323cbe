//! Values across the boundary.

pub(crate) mod chunk;
pub(crate) mod config;
mod finish_reason;
pub(crate) mod integers;
pub(crate) mod json;
pub(crate) mod plain;
pub(crate) mod python;
pub(crate) mod raw;
pub(crate) mod reading;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod shown;
pub(crate) mod type_name;
