//! A thread that sleeps until it is told something.

use std::time::Instant;

use crate::origin::Origin;
use crate::sync::{Condvar, Mutex};

/// What the thread is told. Of several, the greatest is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// Nothing.
    #[default]
    None,
    /// Something may be otherwise than it was: look again.
    Look,
    /// Go on, whatever there is.
    Wake,
}

/// What one thread is told by others, before it sleeps or while it does.
pub struct Notify {
    notice: Mutex<Notice>,
    told: Condvar,
    origin: Origin,
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            notice: Mutex::new(Notice::None),
            told: Condvar::new(),
            origin: Origin::here(),
        }
    }
}

impl Notify {
    /// Tells the thread; a notice stays until it is taken.
    pub fn notify(&self, notice: Notice) {
        // Before the lock: a thread of the parent's may have held it when a child was forked.
        if !self.origin.is_here() {
            return;
        }
        let mut left = self.notice.lock();
        *left = notice.max(*left);
        drop(left);
        self.told.notify_all();
    }

    /// What was told since the last call. Whoever takes it looks at what it is about afterwards.
    pub fn take(&self) -> Notice {
        std::mem::take(&mut *self.notice.lock())
    }

    /// Sleeps until there is a notice, which stays, or until that time.
    pub fn wait(&self, until: Option<Instant>) {
        let mut notice = self.notice.lock();
        let is_silent = |notice: &mut Notice| *notice == Notice::None;
        match until {
            Some(until) => {
                self.told.wait_while_until(&mut notice, is_silent, until);
            }
            None => self.told.wait_while(&mut notice, is_silent),
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_greatest_notice_is_left_until_it_is_taken() {
        let notify = Notify::default();
        notify.notify(Notice::Wake);
        notify.notify(Notice::Look);
        notify.wait(None);
        assert_eq!(notify.take(), Notice::Wake);
        assert_eq!(notify.take(), Notice::None);
    }

    #[test]
    fn without_one_it_sleeps_until_that_time() {
        let until = Instant::now() + Duration::from_millis(10);
        Notify::default().wait(Some(until));
        assert!(Instant::now() >= until);
    }
}
