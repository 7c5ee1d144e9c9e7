//! What the figures were measured on.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) kernel: String,
}

/// What was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Versions {
    pub(crate) load: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) venuecode: Option<String>,
}

/// The machine that this runs on; what cannot be found out is "unknown".
pub(crate) fn describe() -> Machine {
    let unknown = || "unknown".to_owned();
    let model = |text: String| {
        let line = text.lines().find(|l| l.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    Machine {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        cpu: fs::read_to_string("/proc/cpuinfo").ok().and_then(model).unwrap_or_else(unknown),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease").map_or_else(|_| unknown(), |k| k.trim().to_owned()),
    }
}

/// The versions, that of the binary as it tells it.
pub(crate) async fn versions(binary: Option<&Path>) -> Versions {
    let venuecode = match binary {
        None => None,
        Some(binary) => {
            let told = tokio::process::Command::new(binary).arg("--version").output().await;
            told.ok().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
    };
    Versions { load: env!("CARGO_PKG_VERSION").to_owned(), venuecode }
}
