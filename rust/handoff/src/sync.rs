//! Locks and atomics, which loom replaces by its own.

#[cfg(not(feature = "loom"))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(feature = "loom"))]
pub(crate) use std::sync::atomic;

#[cfg(feature = "loom")]
pub(crate) use loom::sync::atomic;
#[cfg(feature = "loom")]
pub(crate) use watched::{Condvar, Mutex, MutexGuard};

/// Loom's, which have the interface of the standard library, with that of `parking_lot`. A lock is
/// poisoned only where a test has failed already, and a guard is empty only while it waits.
#[cfg(feature = "loom")]
mod watched {
    use std::ops::{Deref, DerefMut};

    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    pub(crate) struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap()))
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().unwrap()
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().unwrap()
        }
    }

    pub(crate) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(loom::sync::Condvar::new())
        }

        pub(crate) fn wait_while<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            mut condition: impl FnMut(&mut T) -> bool,
        ) {
            while condition(&mut *guard) {
                guard.0 = guard.0.take().map(|held| self.0.wait(held).unwrap());
            }
        }

        /// Time does not pass here.
        pub(crate) fn wait_while_until<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            condition: impl FnMut(&mut T) -> bool,
            _until: std::time::Instant,
        ) {
            self.wait_while(guard, condition);
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}
