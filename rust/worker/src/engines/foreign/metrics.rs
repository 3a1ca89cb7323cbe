//! An engine's own metrics: their text is made when a scrape asks for it, on a thread for what may
//! take a while.

use std::sync::{Arc, OnceLock, Weak};

use tokio::runtime::Handle;

use super::taken::Taken;
use crate::metrics::{EngineText, EngineTexts};

/// Adds the engine's text to `texts`.
pub(super) fn add(engine: &Arc<Taken>, texts: &EngineTexts) -> EngineText {
    let runtime = Handle::current();
    let engine = Arc::downgrade(engine);
    let added = Arc::new(OnceLock::<EngineText>::new());
    let text = added.clone();
    let text = texts.add(move || {
        let (engine, text) = (engine.clone(), text.clone());
        runtime.spawn_blocking(move || make(&engine, text.wait()));
    });
    added.get_or_init(|| text).clone()
}

fn make(engine: &Weak<Taken>, text: &EngineText) {
    // Looked at here: who asks holds the text's lock.
    if text.is_closed() {
        return;
    }
    match engine.upgrade().map(|engine| engine.metrics_text()) {
        Some(Ok(made)) => text.show(made),
        Some(Err(error)) => {
            tracing::warn!("{}; its metrics are shown as they were", error.message());
            text.failed();
        }
        None => text.failed(),
    }
}
