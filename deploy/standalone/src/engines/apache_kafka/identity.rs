//! The identity of a cluster: made once, it keeps nodes of one data directory from joining those of another.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::engines::kafka;
use crate::secrets::write_private;

/// Its file in `DIR/kafka`: the identity and the number of nodes.
pub const FILE: &str = "cluster";

/// Reads the identity of the cluster in `dir`, or makes one.
///
/// # Errors
/// The directory holds another engine's data or another number of nodes, or cannot be written.
pub fn load_or_generate(dir: &Path, nodes: usize) -> anyhow::Result<String> {
    let path = dir.join(FILE);
    if dir.join(kafka::STORAGE_FILE).exists() {
        bail!("{} holds the data of the embedded Kafka; use --kafka-engine embedded or another --data", dir.display());
    }
    if !path.exists() {
        // Begins with the time, so never with a dash, which Kafka's tools would take for an option.
        let id = URL_SAFE_NO_PAD.encode(Uuid::now_v7());
        write_private(&path, &format!("{id} {nodes}\n")).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (id, count) = text.trim().split_once(' ').with_context(|| format!("{} is damaged", path.display()))?;
    if count != nodes.to_string() {
        bail!("{} holds the data of {count} node(s); use --kafka-nodes {count} or another --data", dir.display());
    }
    Ok(id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_stays_and_so_does_the_number_of_nodes() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let first = load_or_generate(dir.path(), 3)?;
        assert_eq!((first.len(), load_or_generate(dir.path(), 3)?), (22, first));
        let error = load_or_generate(dir.path(), 1).map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| error.contains("--kafka-nodes 3")));
        Ok(())
    }

    #[test]
    fn data_of_the_embedded_engine_is_not_passed_over() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join(kafka::STORAGE_FILE), "")?;
        let error = load_or_generate(dir.path(), 1).map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| error.contains("--kafka-engine embedded")));
        Ok(())
    }
}
