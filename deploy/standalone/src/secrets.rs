//! The generated secrets of an installation, one file each (mode 0600) in `DIR/secrets/`.
//!
//! They are made once and only read afterwards: a new key would void every printed venue code and every person key.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rand::TryRngCore;
use rand::rngs::OsRng;
use service::access::SigningKey;

use crate::data_dir::DataDir;
use crate::token::keys;

/// Passwords and key files of one data directory.
#[derive(Clone)]
pub struct Secrets {
    /// Password of the ClickHouse user `admin`.
    pub clickhouse_admin: String,
    /// Password of the ClickHouse user `processor`.
    pub clickhouse_processor: String,
    /// Password of the ClickHouse user `query`.
    pub clickhouse_query: String,
    /// File with the keys that sign venue codes, `VERSION:HEX64` per line, the last line active.
    pub code_keys_file: PathBuf,
    /// File with the keys that turn a document into a person key, in the same format.
    pub person_keys_file: PathBuf,
    /// File with the keys that encrypt what names a person, in the same format.
    pub identity_keys_file: PathBuf,
    /// File with the keys that entries of the audit log are hashed with, in the same format; the query service's alone.
    pub audit_key_file: PathBuf,
    /// File with the private key that reports about erasures are signed with; the query service's alone.
    pub report_key_file: PathBuf,
    /// File with the private key that tokens are signed with.
    pub token_key_file: PathBuf,
    /// File with the public keys that the services verify tokens with.
    pub token_keys_file: PathBuf,
}

impl Secrets {
    /// Reads the secrets of `data` and makes those that are missing.
    ///
    /// # Errors
    /// A file cannot be read or written, or is empty.
    pub fn load_or_generate(data: &DataDir) -> anyhow::Result<Self> {
        let dir = data.join("secrets");
        let password = |name: &str| read_or_create(&dir.join(name), "");
        let ring = |name: &str| -> anyhow::Result<PathBuf> {
            let path = dir.join(name);
            read_or_create(&path, "1:")?;
            Ok(path)
        };
        let token_key_file = dir.join("token.key");
        let token_keys_file = keys::public_beside(&token_key_file);
        if !token_key_file.exists() {
            keys::make(&token_key_file, &token_keys_file, None)?;
        }
        let report_key_file = dir.join("report.key");
        if !report_key_file.exists() {
            let key = SigningKey::generate(&keys::new_name())?.to_text()?;
            write_private(&report_key_file, &key).context("cannot write report.key")?;
        }
        Ok(Self {
            clickhouse_admin: password("clickhouse-admin")?,
            clickhouse_processor: password("clickhouse-processor")?,
            clickhouse_query: password("clickhouse-query")?,
            code_keys_file: ring("code.keys")?,
            person_keys_file: ring("person.keys")?,
            identity_keys_file: ring("identity.keys")?,
            audit_key_file: ring("audit.keys")?,
            report_key_file,
            token_key_file,
            token_keys_file,
        })
    }
}

fn read_or_create(path: &Path, prefix: &str) -> anyhow::Result<String> {
    if !path.exists() {
        let text = format!("{prefix}{}\n", random_hex()?);
        write_private(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = text.trim();
    if text.is_empty() {
        bail!("{} is empty; restore it from a backup", path.display());
    }
    Ok(text.to_owned())
}

/// Writes a file of mode 0600 that is there whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let staging = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staging)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&staging, path)
}

fn random_hex() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    OsRng.try_fill_bytes(&mut bytes).context("the system has no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_private_and_survive_a_restart() -> anyhow::Result<()> {
        let parent = tempfile::tempdir()?;
        let data = DataDir::open(&parent.path().join("d"))?;
        let first = Secrets::load_or_generate(&data)?;
        let second = Secrets::load_or_generate(&data)?;
        assert_eq!(first.clickhouse_admin, second.clickhouse_admin);
        assert_eq!(first.clickhouse_admin.len(), 64);
        assert_ne!(first.clickhouse_admin, first.clickhouse_query);
        let keys = fs::read_to_string(&first.code_keys_file)?;
        assert!(keys.starts_with("1:") && keys.trim().len() == 66);
        let mode = fs::metadata(&first.code_keys_file)?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for file in [&first.token_key_file, &first.report_key_file] {
            let key = fs::read_to_string(file)?;
            assert_eq!(fs::metadata(file)?.permissions().mode() & 0o777, 0o600);
            Secrets::load_or_generate(&data)?;
            assert_eq!(fs::read_to_string(file)?, key, "what was signed is verified after a restart");
        }
        Ok(())
    }
}
