//! Finds Apache Kafka's jars and `java`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use crate::engines::{cache_dir, non_empty};

/// Environment variable that names the folder of the jars.
pub const JARS_VARIABLE: &str = "VENUECODE_KAFKA_JARS";

/// Pins the version; `deploy/kafka/fetch.sh` reads the same file.
const POM: &str = include_str!("../../../../kafka/pom.xml");

/// What runs Apache Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jars {
    /// The folder of the jars.
    pub dir: PathBuf,
    /// The `java` that runs them.
    pub java: PathBuf,
}

/// Finds the jars (`VENUECODE_KAFKA_JARS`, else the cache that `deploy/kafka/fetch.sh` fills) and `java` (`JAVA_HOME`,
/// else `PATH`).
///
/// # Errors
/// One of them is not there; the error says how to get it.
pub fn locate() -> anyhow::Result<Jars> {
    let dir = match non_empty(JARS_VARIABLE) {
        Some(dir) if dir.is_dir() => dir,
        Some(dir) => bail!("{JARS_VARIABLE} names {}, which is not there", dir.display()),
        None => {
            let dir = cache_dir()?.join(folder()?);
            if !dir.is_dir() {
                bail!("Apache Kafka is not in {}; run deploy/kafka/fetch.sh, or set {JARS_VARIABLE}", dir.display());
            }
            dir
        }
    };
    Ok(Jars { dir, java: java()? })
}

/// The folder's name in the cache, as `fetch.sh` makes it.
fn folder() -> anyhow::Result<String> {
    let version = POM
        .split_once("<artifactId>kafka_2.13</artifactId>")
        .and_then(|(_, rest)| rest.split_once("<version>"))
        .and_then(|(_, rest)| rest.split_once("</version>"))
        .map(|(version, _)| version)
        .context("deploy/kafka/pom.xml pins no version")?;
    let digest = Sha256::digest(POM);
    let key: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("kafka-{version}-{key}"))
}

fn java() -> anyhow::Result<PathBuf> {
    let home = non_empty("JAVA_HOME").map(|home| home.join("bin/java"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|dir| dir.join("java"));
    home.into_iter()
        .chain(on_path)
        .find(|file: &PathBuf| Path::is_file(file))
        .context("java is missing; install Java 17 or newer, which runs Apache Kafka")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_folder_is_the_one_that_the_script_fills() -> anyhow::Result<()> {
        let cache = tempfile::tempdir()?;
        // A jar of the pinned version is all that it looks for.
        let folder = folder()?;
        let dir = cache.path().join(&folder);
        std::fs::create_dir(&dir)?;
        let version = folder.split('-').nth(1).context("no version")?;
        std::fs::write(dir.join(format!("kafka_2.13-{version}.jar")), "")?;
        let tools = tempfile::tempdir()?;
        let java = tools.path().join("java");
        std::os::unix::fs::symlink("/bin/true", &java)?;
        let path = format!("{}:{}", tools.path().display(), std::env::var("PATH")?);
        let output =
            Command::new("../kafka/fetch.sh").env("VENUECODE_CACHE", cache.path()).env("PATH", path).output()?;
        assert_eq!(String::from_utf8(output.stdout)?.trim(), dir.to_string_lossy());
        Ok(())
    }
}
