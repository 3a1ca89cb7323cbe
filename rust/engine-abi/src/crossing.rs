//! What both sides do alike when something crosses: wakers, texts that are given away, and looking
//! at what is lent.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::ffi::c_void;
use core::mem::size_of;
use core::task::Waker;

use crate::header::Header;
use crate::lent::Str;
use crate::text::Text;
use crate::waker::{Waker as Raw, WakerTable};

/// Lends a waker of this side's for a call.
pub fn lend_waker(waker: &Waker) -> Raw {
    Raw {
        table: &WAKERS,
        data: (&raw const *waker).cast_mut().cast(),
    }
}

/// Functions of wakers whose data is a [`Waker`] of this side's.
static WAKERS: WakerTable = {
    /// SAFETY of all four: their caller hands in what `lend_waker` or `clone` made.
    unsafe extern "C" fn clone(data: *mut c_void) -> *mut c_void {
        let waker = unsafe { &*data.cast::<Waker>() };
        Box::into_raw(Box::new(waker.clone())).cast()
    }
    unsafe extern "C" fn wake(data: *mut c_void) {
        unsafe { &*data.cast::<Waker>() }.wake_by_ref();
    }
    unsafe extern "C" fn will_wake(data: *mut c_void, other: *mut c_void) -> bool {
        unsafe { (*data.cast::<Waker>()).will_wake(&*other.cast::<Waker>()) }
    }
    unsafe extern "C" fn release(data: *mut c_void) {
        drop(unsafe { Box::from_raw(data.cast::<Waker>()) });
    }
    WakerTable {
        header: Header::of::<WakerTable>(0),
        clone: Some(clone),
        wake: Some(wake),
        will_wake: Some(will_wake),
        release: Some(release),
    }
};

/// The waker of the other side that polls something, kept from poll to poll: a task polls with the
/// same one, mostly.
#[derive(Default)]
pub struct KeptWaker {
    last: Option<(Arc<Theirs>, Waker)>,
}

/// A clone of a waker of the other side's.
struct Theirs {
    data: *mut c_void,
    table: WakerTable,
    /// By which one knows that two are of one kind.
    origin: *const WakerTable,
}

// SAFETY: the functions of a waker may be called on any thread, several at a time.
unsafe impl Send for Theirs {}
// SAFETY: as above.
unsafe impl Sync for Theirs {}

impl KeptWaker {
    /// The waker of this poll as one of this side's; `None` where it is not a whole waker.
    ///
    /// # Safety
    ///
    /// `lent` is null, or what a `poll` was called with, during that call.
    pub unsafe fn of(&mut self, lent: *const Raw) -> Option<&Waker> {
        let lent = unsafe { lent.as_ref() }?;
        let is_known = self.last.as_ref().is_some_and(|(known, _)| {
            let will_wake = known.table.will_wake;
            known.origin == lent.table
                && will_wake.is_some_and(|will_wake| unsafe { will_wake(known.data, lent.data) })
        });
        if !is_known {
            let theirs = Arc::new(unsafe { Theirs::of(lent) }?);
            self.last = Some((theirs.clone(), Waker::from(theirs)));
        }
        self.last.as_ref().map(|(_, waker)| waker)
    }
}

impl Theirs {
    /// SAFETY: `lent` is what a `poll` was called with, during that call.
    unsafe fn of(lent: &Raw) -> Option<Self> {
        let table = unsafe { lent.table.as_ref() }?;
        if (table.header.size as usize) < size_of::<WakerTable>() {
            return None;
        }
        table.wake?;
        table.release?;
        let clone = table.clone?;
        Some(Self {
            data: unsafe { clone(lent.data) },
            table: *table,
            origin: lent.table,
        })
    }
}

impl Wake for Theirs {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(wake) = self.table.wake {
            // SAFETY: the clone is owned, and was not released.
            unsafe { wake(self.data) }
        }
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        if let Some(release) = self.table.release {
            // SAFETY: the clone is owned, and this is its end.
            unsafe { release(self.data) }
        }
    }
}

impl Text {
    /// Gives `text` away.
    pub fn give(text: String) -> Self {
        /// SAFETY: `owner` is the box below, once.
        unsafe extern "C" fn release(owner: *mut c_void) {
            drop(unsafe { Box::from_raw(owner.cast::<String>()) });
        }
        let owner = Box::new(text);
        Self {
            text: Str::lend(&owner),
            owner: Box::into_raw(owner).cast(),
            release: Some(release),
        }
    }
}
