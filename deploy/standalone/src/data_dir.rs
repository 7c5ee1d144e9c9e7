//! The data directory: one folder that holds everything one installation keeps, locked by one process at a time.
//!
//! ```text
//! DIR/lock        held by the running `venuecode`, contains its process id
//! DIR/secrets/    generated passwords and keys (secrets.rs)
//! DIR/clickhouse/ DIR/kafka/   what the engines store
//! DIR/spool/      scans that the gateway took while Kafka was out of reach
//! DIR/tables/     a snapshot of the gateway's tables
//! DIR/conf/       configuration written anew at every start
//! DIR/logs/       NAME.log of every child
//! DIR/run/        NAME.pid of every child that runs
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, test_kill_process};

/// How long children of a killed predecessor get to finish before we start anyway.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(20);

/// A data directory that this process holds the lock of, until the value is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates `path` (mode 0700) if it is not there, takes its lock and waits for what a killed predecessor left
    /// behind: its children end by themselves as soon as they notice, but may still be finishing.
    ///
    /// # Errors
    /// Another process uses the directory, or it cannot be created or written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        create_private(path)?;
        let path = fs::canonicalize(path).with_context(|| format!("cannot resolve {}", path.display()))?;
        let lock = lock(&path)?;
        let dir = Self { path, _lock: lock };
        for name in ["secrets", "clickhouse", "kafka", "conf", "logs", "run"] {
            create_private(&dir.path.join(name))?;
        }
        dir.wait_for_leftovers()?;
        Ok(dir)
    }

    /// The absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `name` inside the directory.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The log file of the child `name`.
    #[must_use]
    pub fn log_file(&self, name: &str) -> PathBuf {
        self.path.join("logs").join(format!("{name}.log"))
    }

    /// The process id file of the child `name`.
    #[must_use]
    pub fn pid_file(&self, name: &str) -> PathBuf {
        self.path.join("run").join(format!("{name}.pid"))
    }

    fn wait_for_leftovers(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + LEFTOVER_PATIENCE;
        for entry in fs::read_dir(self.path.join("run"))? {
            let file = entry?.path();
            while leftover_runs(&file) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(50));
            }
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        Ok(())
    }
}

/// Whether the process that `pid_file` names is alive.
///
/// A number that the kernel has given to a stranger since costs no more than the patience above.
fn leftover_runs(pid_file: &Path) -> bool {
    fs::read_to_string(pid_file)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .and_then(Pid::from_raw)
        .is_some_and(|pid| test_kill_process(pid).is_ok() && !is_zombie(pid))
}

/// Whether the process has ended and nobody has asked how: in a container often nobody ever does.
fn is_zombie(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
}

fn create_private(path: &Path) -> anyhow::Result<()> {
    if !path.is_dir() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot create {}", path.display()))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot make {} private", path.display()))
}

fn lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        file.read_to_string(&mut holder)?;
        bail!("data directory {} is in use by process {}", dir.display(), holder.trim());
    }
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())?;
    Ok(file)
}

/// Removes data directories of earlier runs under `parent` whose name starts with `prefix` and whose owner was killed
/// before it could do so itself. What cannot be removed stays.
pub fn remove_abandoned(parent: &Path, prefix: &str, min_age: Duration) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        let path = entry.path();
        let lock = OpenOptions::new().read(true).write(true).open(path.join("lock"));
        let marker = lock.as_ref().map_or_else(|_| fs::metadata(&path), File::metadata);
        let old = marker.and_then(|meta| meta.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|age| age > min_age));
        let held = lock.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_err());
        if old && !held {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_private_and_has_one_holder() -> anyhow::Result<()> {
        let parent = tempfile::tempdir()?;
        let path = parent.path().join("a/b");
        let first = DataDir::open(&path)?;
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o700);

        let second = DataDir::open(&path).map_err(|error| error.to_string()).err();
        let expected = format!("data directory {} is in use by process {}", first.path().display(), std::process::id());
        assert_eq!(second, Some(expected));

        drop(first);
        DataDir::open(&path)?;
        Ok(())
    }

    #[test]
    fn only_abandoned_directories_are_removed() -> anyhow::Result<()> {
        let parent = tempfile::tempdir()?;
        let used = parent.path().join("exec-used");
        let abandoned = parent.path().join("exec-abandoned");
        let _held = DataDir::open(&used)?;
        drop(DataDir::open(&abandoned)?);
        remove_abandoned(parent.path(), "exec-", Duration::ZERO);
        assert!(used.exists() && !abandoned.exists());
        Ok(())
    }
}
