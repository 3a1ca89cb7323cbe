//! What publishing answers, and what it opens.

use std::sync::Arc;

use serde_json::Value;

use crate::controls::Controls;
use crate::metrics::RequestMetrics;
use crate::publish::{OpenKvPublisher, SnapshotPublisher};

/// A worker that can be served.
pub(super) struct Published {
    pub(super) controls: Arc<Controls>,
    pub(super) request_metrics: RequestMetrics,
    /// The payload of the health canary, where there is one.
    pub(super) canary: Option<Value>,
}

/// The publishers that are open.
#[derive(Default)]
pub(super) struct Publishers {
    pub(super) kv_events: Vec<OpenKvPublisher>,
    pub(super) snapshots: Option<SnapshotPublisher>,
}

impl Publishers {
    pub(super) fn are_there(&self) -> bool {
        !self.kv_events.is_empty() || self.snapshots.is_some()
    }

    /// Closes them, behind their last events.
    pub(super) async fn release(self) {
        let settled = self.kv_events.iter();
        let settled = settled.filter_map(OpenKvPublisher::settled).max();
        if let Some(settled) = settled {
            tokio::time::sleep_until(settled).await;
        }
        // The engine may hold it longer than the run lasts.
        if let Some(snapshots) = self.snapshots {
            snapshots.close().await;
        }
    }
}
