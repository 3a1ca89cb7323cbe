//! Of which metrics that are not shown the log has a warning.

use std::collections::HashSet;

use parking_lot::Mutex;

/// Metrics that are warned of: the rest would say the same.
const MOST_WARNINGS: usize = 64;

/// The metrics that somebody was warned of, who need not be at every scrape.
#[derive(Default)]
pub(super) struct Warned {
    names: Mutex<HashSet<String>>,
}

impl Warned {
    pub(super) fn tell(&self, left_out: Vec<(String, String)>) {
        let mut names = self.names.lock();
        for (name, why) in left_out {
            if names.len() < MOST_WARNINGS && names.insert(name.clone()) {
                tracing::warn!(
                    "{name}, which an engine gave, is not shown: {why}; rename it there, or leave \
                     it out"
                );
            }
        }
    }
}
