//! The tokio runtime that an engine brings, if it does.

/// Inside of it an engine's code runs.
#[derive(Default)]
pub(crate) struct Runtime {
    #[cfg(feature = "tokio")]
    tokio: Option<tokio::runtime::Runtime>,
}

impl Runtime {
    #[cfg(feature = "tokio")]
    pub(crate) fn of(tokio: tokio::runtime::Runtime) -> Self {
        Self { tokio: Some(tokio) }
    }

    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tokio")]
        let _inside = self.tokio.as_ref().map(tokio::runtime::Runtime::enter);
        work()
    }
}

#[cfg(feature = "tokio")]
impl Drop for Runtime {
    /// Without waiting: the worker's thread that lets go of the engine may not block.
    fn drop(&mut self) {
        if let Some(tokio) = self.tokio.take() {
            tokio.shutdown_background();
        }
    }
}
