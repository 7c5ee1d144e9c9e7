//! A directory that one gateway has to itself.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, bail};

/// Makes the directory, for our user alone, and locks it for as long as the file that is returned lives. `flag` is the
/// setting that names it.
///
/// # Errors
/// When another gateway uses it, or it cannot be made.
pub fn take_over(directory: &Path, flag: &str) -> anyhow::Result<File> {
    let shown = directory.display();
    DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(|| format!("{flag} {shown}"))?;
    fs::set_permissions(directory, Permissions::from_mode(0o700)).with_context(|| format!("{flag} {shown}"))?;
    let path = directory.join("lock");
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("{flag} {shown} is in use by another gateway: each needs one of its own")
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}
