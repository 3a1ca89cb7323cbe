//! Who is called by a signal.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::*;

#[test]
fn fault_27_a_run_that_is_gone_leaves_its_end_to_the_process() {
    let [early, of_run]: [Arc<AtomicUsize>; 2] = Default::default();
    let counts = |count: &Arc<AtomicUsize>| {
        let count = count.clone();
        move || {
            count.fetch_add(1, Ordering::SeqCst);
        }
    };
    let signal = || {
        if let Some(hub) = lock().as_mut() {
            hub.on_signal(libc::SIGTERM);
        }
        [&early, &of_run].map(|count| count.load(Ordering::SeqCst))
    };
    let before = Signals::listen(Stands::Before, Box::new(counts(&early))).unwrap();
    assert_eq!(signal(), [1, 0]);
    let run = Signals::install(counts(&of_run)).unwrap();
    assert_eq!(signal(), [1, 1]);
    run.run_is_over();
    assert_eq!(signal(), [1, 2]);
    drop(run);
    assert_eq!(signal(), [1, 2]);
    drop(before);
    let anew = Signals::listen(Stands::Before, Box::new(counts(&early))).unwrap();
    assert_eq!(signal(), [2, 2]);
    drop(anew);
}
