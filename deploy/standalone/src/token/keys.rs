//! Makes keys and retires them: a file with the private key, mode 0600, and beside it a JWKS with the public ones.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use chrono::Utc;
use clap::Args;
use service::access::{KeySet, SigningKey};

use super::KeyFiles;
use crate::secrets::write_private;

/// Flags of `venuecode token keygen`.
#[derive(Debug, Args)]
pub struct KeygenArgs {
    #[command(flatten)]
    key: KeyFiles,
    /// File of the public keys, a JWKS, which the services read; `token-keys.json` beside the private key otherwise.
    #[arg(long, env = "VENUECODE_TOKEN_KEYS_FILE", value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Name of the new key; made up from today's date otherwise.
    #[arg(long, value_name = "NAME")]
    kid: Option<String>,
    /// Make no key, but remove this one from the public ones: its tokens are refused from then on.
    #[arg(long, value_name = "KID", conflicts_with = "kid")]
    retire: Vec<String>,
}

impl KeygenArgs {
    /// Does it, and says what was done.
    pub(super) fn run(self) -> anyhow::Result<String> {
        let private = &self.key.private;
        let public = self.keys.unwrap_or_else(|| public_beside(private));
        if self.retire.is_empty() {
            let kid = make(private, &public, self.kid)?;
            return Ok(format!("{kid} signs from now on; the services know it within two seconds"));
        }
        let signing = SigningKey::read(private).ok();
        if let Some(signing) = &signing {
            ensure!(
                !self.retire.iter().any(|kid| kid == signing.kid()),
                "{} still signs: make a new key first (venuecode token keygen)",
                signing.kid()
            );
        }
        let text = fs::read_to_string(&public).with_context(|| format!("cannot read {}", public.display()))?;
        write(&public, &KeySet::rotate(Some(&text), None, &self.retire)?)?;
        Ok(format!("{} retired; its tokens are refused within two seconds", self.retire.join(", ")))
    }
}

/// Where the public keys of a private one are.
#[must_use]
pub fn public_beside(private: &Path) -> PathBuf {
    private.with_file_name("token-keys.json")
}

/// Makes a key, adds it to the public ones, and puts it into the place of the one that has signed so far.
///
/// # Errors
/// A file cannot be read or written, or there is a key of this name.
pub fn make(private: &Path, public: &Path, kid: Option<String>) -> anyhow::Result<String> {
    let kid = kid.unwrap_or_else(new_name);
    let key = SigningKey::generate(&kid)?;
    let known = if public.exists() {
        Some(fs::read_to_string(public).with_context(|| format!("cannot read {}", public.display()))?)
    } else {
        None
    };
    // In this order: nobody signs with a key that is not known yet.
    write(public, &KeySet::rotate(known.as_deref(), Some(key.public()), &[])?)?;
    write(private, &key.to_text()?)?;
    Ok(kid)
}

/// A name for a key that is made today.
#[must_use]
pub fn new_name() -> String {
    format!("{}-{:04x}", Utc::now().format("%Y%m%d"), rand::random::<u16>())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    write_private(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn args(private: &Path, retire: &[&str]) -> KeygenArgs {
        let retire = retire.iter().map(|kid| (*kid).to_owned()).collect();
        KeygenArgs { key: KeyFiles { private: private.to_owned() }, keys: None, kid: None, retire }
    }

    #[test]
    fn keys_rotate_and_the_one_that_signs_cannot_be_retired() -> anyhow::Result<()> {
        let directory = tempfile::tempdir()?;
        let private = directory.path().join("token.key");
        args(&private, &[]).run()?;
        let old = SigningKey::read(&private)?;
        assert_eq!(fs::metadata(&private)?.permissions().mode() & 0o777, 0o600);
        assert!(args(&private, &[old.kid()]).run().is_err(), "it signs");
        args(&private, &[]).run()?;
        let new = SigningKey::read(&private)?;
        assert_ne!(old.kid(), new.kid());
        let public = || fs::read_to_string(public_beside(&private));
        assert!(public()?.contains(old.kid()) && public()?.contains(new.kid()));
        args(&private, &[old.kid()]).run()?;
        assert!(!public()?.contains(old.kid()) && public()?.contains(new.kid()));
        assert!(args(&private, &[old.kid()]).run().is_err(), "it is not there any more");
        Ok(())
    }
}
