//! An answer that the engine has finished, until the runtime has written it to its socket.
//!
//! The runtime's writer has a queue of its own, and a frontend that reads slowly leaves it full.

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::admission::Admitted;
use crate::context::RequestContext;

/// One request in flight, with what tells that its answer is written.
pub(super) struct Delivery {
    pub(super) admitted: Admitted,
    pub(super) context: RequestContext,
    /// Flips when what is in flight must be cut.
    pub(super) cut: CancellationToken,
}

impl Delivery {
    /// The answer is with the runtime: the request is in flight until it is written.
    pub(super) fn hand_over(self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let Self {
            admitted,
            context,
            cut,
        } = self;
        runtime.spawn(async move {
            tokio::select! {
                biased;
                () = cut.cancelled() => {}
                () = context.written() => {}
            }
            drop(admitted);
        });
    }
}
