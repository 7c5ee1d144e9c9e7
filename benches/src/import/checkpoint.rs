//! How far an import is: the rows from the first one on that have all been answered.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::{ImportArgs, ImportSummary, TimeUnit};

const SAVE_EVERY: Duration = Duration::from_secs(1);

/// The rows answered so far, with the file that keeps their number.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) summary: ImportSummary,
    what: What,
    path: PathBuf,
    saved: Instant,
}

/// What is imported, and where to; a progress file of something else is not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct What {
    file: PathBuf,
    file_bytes: u64,
    gateway: String,
    mapping: String,
}

/// The content of a progress file.
#[derive(Serialize, Deserialize)]
struct Stored {
    what: What,
    rows: u64,
    accepted: u64,
    duplicate: u64,
    refused: u64,
}

impl Checkpoint {
    pub(super) fn open(args: &ImportArgs, file_bytes: u64) -> anyhow::Result<Self> {
        let file = fs::canonicalize(&args.file).with_context(|| format!("cannot open {}", args.file.display()))?;
        let path = args.resume_file.clone().unwrap_or_else(|| {
            let mut name = file.file_name().unwrap_or_default().to_owned();
            name.push(".progress");
            PathBuf::from(name)
        });
        let what = What { file, file_bytes, gateway: args.gateway.gateway.to_string(), mapping: fingerprint(args) };
        let mut checkpoint = Self { summary: ImportSummary::default(), what, path, saved: Instant::now() };
        if !args.from_start && checkpoint.path.exists() {
            checkpoint.load()?;
        }
        Ok(checkpoint)
    }

    fn load(&mut self) -> anyhow::Result<()> {
        let shown = self.path.display();
        let text = fs::read(&self.path).with_context(|| format!("cannot read {shown}"))?;
        let stored: Stored = serde_json::from_slice(&text)
            .with_context(|| format!("{shown} is not the progress of an import: remove it or use --from-start"))?;
        if stored.what != self.what {
            bail!(
                "{shown} is the progress of another import (another file, size, gateway or mapping): use --from-start \
                 to begin anew, or --resume-file to keep both"
            );
        }
        let Stored { rows, accepted, duplicate, refused, .. } = stored;
        self.summary = ImportSummary { rows, accepted, duplicate, refused };
        Ok(())
    }

    /// Saves unless that was done a moment ago: what is lost by a kill is sent again, and stored once all the same.
    pub(super) fn save_now_and_then(&mut self) -> anyhow::Result<()> {
        if self.saved.elapsed() >= SAVE_EVERY { self.save() } else { Ok(()) }
    }

    /// Saves, so that the file is either the old one or the new one.
    pub(super) fn save(&mut self) -> anyhow::Result<()> {
        let ImportSummary { rows, accepted, duplicate, refused } = self.summary;
        if rows == 0 {
            return Ok(());
        }
        let stored = Stored { what: self.what.clone(), rows, accepted, duplicate, refused };
        let mut next = self.path.clone().into_os_string();
        next.push(".next");
        let cannot = || format!("cannot write {} (--resume-file chooses another place)", self.path.display());
        fs::write(&next, serde_json::to_vec(&stored)?).with_context(cannot)?;
        fs::rename(&next, &self.path).with_context(cannot)?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Forgets it: the import is complete.
    pub(super) fn remove(&self) {
        // One that was never written, or cannot be removed, does no harm: at worst the next run has nothing to do.
        let _ = fs::remove_file(&self.path);
    }
}

/// Everything that decides which scan a row becomes.
fn fingerprint(args: &ImportArgs) -> String {
    let columns = &args.columns;
    let unit = match &columns.time_unit {
        TimeUnit::Minutes => "minutes",
        TimeUnit::Seconds => "seconds",
        TimeUnit::Rfc3339 => "rfc3339",
        TimeUnit::Format(format) => format,
    };
    format!(
        "{} {} {} | {unit} from {} at {} | {} {}",
        columns.person_column,
        columns.venue_column,
        columns.time_column,
        columns.time_origin,
        columns.utc_offset,
        args.document_type.as_str(),
        args.method,
    )
}
