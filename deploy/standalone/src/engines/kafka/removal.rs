//! Removes those whose erasure was carried out from what the embedded Kafka stores, before it serves anybody.
//!
//! Apache Kafka compacts its topics and expires the others; the embedded broker does neither to a message in the middle of
//! a log, and what it deletes stays in free pages of its file. So this is done while it is stopped, at every start. What
//! was looked through for the same erasures before is not looked through again.

use std::collections::BTreeSet;
use std::{fs, io};

use anyhow::Context;
use schemas::{stores, topics};

use super::STORAGE_FILE;
use super::forgetting::{Fate, Forgetting, Stored};
use super::storage::{Change, Looked, Partition, Storage};
use crate::data_dir::DataDir;

/// What there is to do.
#[derive(Default)]
struct Plan {
    changes: Vec<Change>,
    looked: Vec<(Partition, Looked)>,
    /// Whether erasures have come since.
    is_new: bool,
}

/// Empties what is stored of erased people and writes the storage anew; says how many messages that were. The gateway's
/// snapshot, which was made of the same messages, goes first.
///
/// May end at any point, and goes on where it was when it is called again.
///
/// # Errors
/// The storage cannot be read or written.
pub async fn remove_erased(data: &DataDir) -> anyhow::Result<usize> {
    let Some(storage) = Storage::open(&data.join("kafka").join(STORAGE_FILE)).await? else { return Ok(0) };
    let partitions = storage.partitions().await?;
    let mut plan = Plan::default();
    let named = partitions.iter().filter_map(|partition| partition.topic.strip_suffix(topics::ERASURES));
    for prefix in named.collect::<BTreeSet<_>>() {
        look_through(&storage, &partitions, prefix, &mut plan).await?;
    }
    if plan.is_new || !plan.changes.is_empty() || storage.is_stale().await? {
        remove_snapshot(data)?;
        storage.change(&plan.changes).await?;
        storage.write_anew().await?;
    }
    // Last: what is noted is out of the file.
    storage.note(&plan.looked).await?;
    Ok(plan.changes.len())
}

/// Looks through the topics with this prefix.
async fn look_through(storage: &Storage, all: &[Partition], prefix: &str, plan: &mut Plan) -> anyhow::Result<()> {
    let of =
        |name: &'static str| all.iter().filter(move |partition| partition.topic.strip_prefix(prefix) == Some(name));
    let mut forgetting = Forgetting::default();
    for partition in of(topics::ERASURES) {
        let mut records = storage.records(partition, 0).await?;
        while let Some(record) = records.next().await? {
            forgetting.note(record.value.as_deref().unwrap_or_default());
        }
    }
    if forgetting.is_empty() {
        return Ok(());
    }
    let erasures = i64::try_from(forgetting.len())?;
    let named = stores::TOPICS.iter().map(|topic| topic.name);
    for (topic, partition) in named.flat_map(|topic| of(topic).map(move |partition| (topic, partition))) {
        let before = storage.looked(partition).await?;
        let is_new = before.erasures < erasures;
        plan.is_new |= is_new;
        // Who takes a trip back is compared with who declared it.
        let mut up_to = if is_new || topic == topics::TRIPS { 0 } else { before.up_to };
        let mut records = storage.records(partition, up_to).await?;
        while let Some(record) = records.next().await? {
            up_to = record.offset + 1;
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            let value = match forgetting.fate(topic, Stored { came_at_ms: record.came_at_ms, key, value }) {
                Fate::Kept => continue,
                Fate::Emptied => None,
                Fate::Rewritten(value) => Some(value),
            };
            plan.changes.push(Change { partition: partition.clone(), offset: record.offset, value });
        }
        plan.looked.push((partition.clone(), Looked { erasures, up_to }));
    }
    Ok(())
}

fn remove_snapshot(data: &DataDir) -> anyhow::Result<()> {
    let snapshot = data.join("tables");
    match fs::remove_dir_all(&snapshot) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", snapshot.display()))
        }
        _ => Ok(()),
    }
}
