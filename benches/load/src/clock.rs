//! The clock that client and worker share, on one machine.

/// `CLOCK_MONOTONIC` in microseconds, its low 32 bits: they fit into a token's id.
pub fn micros() -> u32 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a timespec that outlives the call, which cannot fail for this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    (now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000) as u32
}
