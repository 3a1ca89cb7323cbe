//! Times, in microseconds, in buckets of at most 1.6 % width.

const FINE: u32 = 6;

#[derive(Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn add(&mut self, micros: u64, times: u64) {
        let bucket = bucket(micros);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += times;
        self.total += times;
    }

    /// The time that this share of all is not above, in microseconds; none where there is none.
    pub(crate) fn quantile(&self, share: f64) -> Option<u64> {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        self.counts.iter().enumerate().find_map(|(bucket, count)| {
            seen += count;
            (seen >= wanted).then(|| least(bucket + 1) - 1)
        })
    }
}

/// The first 64 buckets are a microsecond wide; then 64 for each doubling.
fn bucket(micros: u64) -> usize {
    let doublings = (u64::BITS - micros.leading_zeros()).saturating_sub(FINE + 1);
    ((u64::from(doublings) << FINE) + (micros >> doublings)) as usize
}

fn least(bucket: usize) -> u64 {
    let doublings = ((bucket as u64) >> FINE).saturating_sub(1);
    ((bucket as u64) - (doublings << FINE)) << doublings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_the_bucket_that_says_so() {
        for micros in (0..5_000).chain([1 << 20, (1 << 20) + 12_345, u64::from(u32::MAX)]) {
            let bucket = bucket(micros);
            assert!(
                least(bucket) <= micros && micros < least(bucket + 1),
                "{micros}"
            );
        }
    }

    #[test]
    fn a_quantile_is_the_time_that_the_share_is_not_above() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for micros in 1..=50 {
            histogram.add(micros, 2);
        }
        assert_eq!(histogram.quantile(0.5), Some(25));
        assert_eq!(histogram.quantile(1.0), Some(50));
    }
}
