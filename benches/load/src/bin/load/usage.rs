//! What the worker's process used, from the kernel.

use std::fs;

use anyhow::Context as _;
use serde::Serialize;

/// Counted since the process began, or between two moments.
#[derive(Debug, Serialize)]
pub(crate) struct Usage {
    /// Of all its threads, also of those that ended.
    cpu_nanos: u64,
    /// Of its first thread: a Python worker's event loop.
    main_thread_nanos: u64,
    /// Of this client.
    client_nanos: u64,
    context_switches: u64,
    /// Resident memory at this moment.
    resident_kib: u64,
    /// The most since the peak was forgotten.
    peak_kib: u64,
}

impl Usage {
    pub(crate) fn of(pid: i32) -> anyhow::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        Ok(Self {
            cpu_nanos: cpu_nanos(pid)?,
            main_thread_nanos: main_thread_nanos(pid)?,
            client_nanos: cpu_nanos(0)?,
            context_switches: context_switches(pid)?,
            resident_kib: field(&status, "VmRSS:")?,
            peak_kib: field(&status, "VmHWM:")?,
        })
    }

    /// What was used since `before`. Memory is no difference.
    pub(crate) fn since(self, before: &Self) -> Self {
        Self {
            cpu_nanos: self.cpu_nanos - before.cpu_nanos,
            main_thread_nanos: self.main_thread_nanos - before.main_thread_nanos,
            client_nanos: self.client_nanos - before.client_nanos,
            context_switches: self
                .context_switches
                .saturating_sub(before.context_switches),
            ..self
        }
    }
}

/// Makes the present memory the peak, where the kernel lets us.
pub(crate) fn forget_peak(pid: i32) {
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

fn cpu_nanos(pid: i32) -> anyhow::Result<u64> {
    let mut clock = 0;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: both are told of variables that outlive the call.
    let failed = unsafe {
        libc::clock_getcpuclockid(pid, &raw mut clock) != 0
            || libc::clock_gettime(clock, &raw mut time) != 0
    };
    anyhow::ensure!(!failed, "process {pid} has no CPU clock");
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

fn main_thread_nanos(pid: i32) -> anyhow::Result<u64> {
    let schedstat = fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat"))?;
    let nanos = schedstat.split(' ').next().context("schedstat")?;
    Ok(nanos.parse()?)
}

fn context_switches(pid: i32) -> anyhow::Result<u64> {
    let mut switches = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end meanwhile.
        if let Ok(status) = fs::read_to_string(thread?.path().join("status")) {
            switches += field(&status, "voluntary_ctxt_switches:")?;
            switches += field(&status, "nonvoluntary_ctxt_switches:")?;
        }
    }
    Ok(switches)
}

fn field(status: &str, name: &str) -> anyhow::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().next());
    Ok(value
        .with_context(|| format!("{name} is missing"))?
        .parse()?)
}
