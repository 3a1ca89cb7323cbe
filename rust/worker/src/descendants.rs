//! The processes that this one started, and those that they started, as `/proc` knows them.

use std::fs;
use std::time::{Duration, Instant};

/// How long the kill may take: what one look misses, since it was just being forked, the next finds.
const PATIENCE: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(1);

/// A process, told apart from a later one of the same number by when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    ended: bool,
    began: u64,
}

/// Has those whose parent ends become children of this process, not of the system's first, so that
/// [`kill`] finds them. Until somebody waits for them, those that have ended stay zombies.
///
/// For a process that is the worker's alone; it holds for the rest of its life.
pub fn adopt_orphans() {
    // SAFETY: PR_SET_CHILD_SUBREAPER takes no pointer.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

/// Kills all descendants of this process, in whatever group or session they are, and waits a moment
/// for their end. Needs no lock and no GIL.
///
/// Python's resource tracker is left alone: it has nothing itself, and once all others are gone it
/// removes the shared memory that they had, and ends.
pub(crate) fn kill() {
    // Else the children of one that is killed would get away.
    adopt_orphans();
    let until = Instant::now() + PATIENCE;
    loop {
        let mut living = living();
        living.retain(|process| !is_resource_tracker(process.pid));
        for process in &living {
            if read(process.pid).is_some_and(|now| now.began == process.began) {
                // SAFETY: takes no pointer.
                unsafe { libc::kill(process.pid, libc::SIGKILL) };
            }
        }
        if living.is_empty() || Instant::now() >= until {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Python's own one, or joblib's, by how they are started.
fn is_resource_tracker(pid: i32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|command| {
        String::from_utf8_lossy(&command).contains("resource_tracker import main")
    })
}

/// The descendants that have not ended.
fn living() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let all = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(read)
        .collect();
    let mut found = descendants(all, std::process::id() as i32);
    found.retain(|process| !process.ended);
    found
}

fn descendants(mut others: Vec<Process>, ancestor: i32) -> Vec<Process> {
    let mut found = Vec::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        let children = others.extract_if(.., |process| process.parent == parent);
        for child in children {
            parents.push(child.pid);
            found.push(child);
        }
    }
    found
}

fn read(pid: i32) -> Option<Process> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(pid, &String::from_utf8_lossy(&stat))
}

/// Reads what `/proc/PID/stat` says. The name, which comes second, may have anything in it.
fn parse(pid: i32, stat: &str) -> Option<Process> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let began = fields.nth(17)?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        ended: matches!(state, "Z" | "X"),
        began,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32) -> Process {
        Process {
            pid,
            parent,
            ended: false,
            began: 7,
        }
    }

    #[test]
    fn fault_28_grandchildren_are_descendants_and_siblings_are_none() {
        let all = [(2, 1), (3, 1), (6, 5), (5, 2), (7, 3), (1, 0), (8, 6)];
        let all = all.map(|(pid, parent)| process(pid, parent)).to_vec();
        let mut found: Vec<i32> = descendants(all, 2).iter().map(|each| each.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [5, 6, 8]);
    }

    #[test]
    fn fault_28_a_name_that_looks_like_the_rest_of_the_line_is_a_name() {
        let rest = "5 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9";
        let found = parse(9, &format!("9 (a) Z 1 (b)) S 5 {rest}")).unwrap();
        assert_eq!((found.parent, found.ended, found.began), (5, false, 4711));
        assert!(parse(9, &format!("9 (a) Z 5 {rest}")).unwrap().ended);
        assert_eq!(parse(9, "9 (a"), None);
    }

    #[test]
    fn fault_28_this_process_is_read() {
        let me = std::process::id() as i32;
        // SAFETY: takes nothing.
        let parent = unsafe { libc::getppid() };
        let found = read(me).unwrap();
        assert_eq!((found.parent, found.ended), (parent, false));
        assert!(found.began > 0);
    }
}
