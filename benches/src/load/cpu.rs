//! CPU time of the services, as the kernel counts it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};

/// A running process.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pid: u32,
}

/// The services, as far as their process ids are known.
#[derive(Debug, Clone)]
pub(crate) struct Processes {
    pub(crate) gateway: Option<Process>,
    pub(crate) processor: Option<Process>,
    pub(crate) query: Option<Process>,
}

impl Processes {
    /// Reads the process ids from a directory; without one, nothing is known of CPU.
    pub(crate) fn find(directory: Option<&Path>) -> anyhow::Result<Self> {
        let find = |name: &str| directory.map(|directory| Process::read(&directory.join(name))).transpose();
        Ok(Self { gateway: find("ingest.pid")?, processor: find("processor.pid")?, query: find("query-api.pid")? })
    }
}

impl Process {
    fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let pid = text.trim().parse().with_context(|| format!("{} holds no process id", file.display()))?;
        let process = Self { pid };
        process.cpu().with_context(|| format!("the process of {} does not run", file.display()))?;
        Ok(process)
    }

    /// CPU time used so far by all its threads, and by its children that have ended.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let path = format!("/proc/{}/stat", self.pid);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let Some(ticks) = ticks(&text) else { bail!("{path} is not as proc(5) describes it") };
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }
}

impl Process {
    /// All processes of an installation with the names of their files.
    pub(crate) fn all(directory: &Path) -> anyhow::Result<Vec<(String, Self)>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "pid") {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                all.push((name, Self::read(&path)?));
            }
        }
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(all)
    }

    /// The most memory that it ever had in use, in MiB.
    pub(crate) fn rss_max_mib(&self) -> anyhow::Result<f64> {
        self.status_mib("VmHWM:")
    }

    /// The memory that it has in use now, in MiB.
    pub(crate) fn rss_mib(&self) -> anyhow::Result<f64> {
        self.status_mib("VmRSS:")
    }

    fn status_mib(&self, field: &str) -> anyhow::Result<f64> {
        let path = format!("/proc/{}/status", self.pid);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        let kib: Option<f64> = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
        Ok(kib.with_context(|| format!("{path} has no {field}"))? / 1024.0)
    }
}

/// utime + stime + cutime + cstime: fields 14 to 17. The second field is the name, which may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut sum = 0;
    for _ in 0..4 {
        sum += fields.next()?.parse::<u64>().ok()?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_past_any_name() {
        let stat = "4242 (a) b) (c) S 1 4242 4242 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 7 0 5 6 7";
        assert_eq!(ticks(stat), Some(127));
        assert_eq!(ticks("4242 (a) S 1"), None);
    }
}
