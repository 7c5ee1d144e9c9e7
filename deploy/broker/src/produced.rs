//! Who waits for messages hears of new ones.

use std::collections::HashMap;

use parking_lot::Mutex;
use tansu_storage::Topition;
use tokio::sync::watch;

/// News of each partition that somebody has read.
#[derive(Debug, Default)]
pub struct Produced(Mutex<HashMap<Topition, watch::Sender<()>>>);

impl Produced {
    /// Hears of whatever is produced to a partition from now on.
    pub fn subscribe(&self, partition: Topition) -> watch::Receiver<()> {
        self.0.lock().entry(partition).or_default().subscribe()
    }

    /// Tells those who wait for a partition.
    pub fn tell(&self, partition: &Topition) {
        if let Some(news) = self.0.lock().get(partition) {
            news.send_replace(());
        }
    }

    /// Tells everybody.
    pub fn tell_all(&self) {
        self.0.lock().values().for_each(|news| {
            news.send_replace(());
        });
    }
}
