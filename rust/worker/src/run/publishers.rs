//! What publishing opens.

use crate::publish::{OpenKvPublisher, SnapshotPublisher};

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
