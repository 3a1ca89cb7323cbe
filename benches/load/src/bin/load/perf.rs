//! Instances of `perf stat` that count in the window alone.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};

use anyhow::Context as _;
use serde::Deserialize;

/// The two FIFOs of `perf stat --control`.
#[derive(Debug, Deserialize)]
pub(crate) struct Perf {
    control: String,
    acknowledgement: String,
}

impl Perf {
    /// Says `enable` or `disable`, and waits until it is done.
    pub(crate) fn tell(&self, command: &str) -> anyhow::Result<()> {
        let mut control = OpenOptions::new().write(true).open(&self.control)?;
        writeln!(control, "{command}")?;
        let mut answer = [0; 4];
        File::open(&self.acknowledgement)?
            .read_exact(&mut answer)
            .context("perf acknowledges")?;
        Ok(())
    }
}
