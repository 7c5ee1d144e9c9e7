//! ClickHouse as a library: the one module with foreign code.
//!
//! `libchdb.so` is the ClickHouse engine; its C function `chdb_query_cmdline` runs `clickhouse local`, which can open
//! the server's HTTP port and serves until its standard input closes. It runs in a child process of its own, so that
//! whatever happens inside ends that child and nothing else. A `clickhouse` binary on `PATH` does as well.

#![expect(unsafe_code, reason = "calling a C library needs it; the contract of each call is stated where it is made")]

use std::ffi::{CStr, CString, OsString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, anyhow, bail};
use libloading::{Library, Symbol};

use crate::child::StopBy;
use crate::engines::{cache_dir, non_empty};

/// Environment variable that names the library.
pub const LIBRARY_VARIABLE: &str = "VENUECODE_LIBCHDB";

/// Environment variable that names a `clickhouse` binary; set for the engine's child only.
pub const BINARY_VARIABLE: &str = "VENUECODE_CLICKHOUSE_BINARY";

/// Pins the version; `deploy/engines/fetch.sh` reads the same file.
const PACKAGE: &str = include_str!("../../../engines/clickhouse/package.json");

const START: &str = "SYSTEM START LISTEN HTTP;\n";

type QueryCmdline = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut c_void;
type ResultError = unsafe extern "C" fn(*mut c_void) -> *const c_char;

/// What runs ClickHouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// `libchdb.so`.
    Library(PathBuf),
    /// A `clickhouse` binary.
    Binary(PathBuf),
}

impl Engine {
    /// The library reads the lifeline, a server of its own does not.
    #[must_use]
    pub const fn stop_by(&self) -> StopBy {
        match self {
            Self::Library(_) => StopBy::Lifeline,
            Self::Binary(_) => StopBy::Signal,
        }
    }

    /// Tells the engine's child which one to run.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        match self {
            Self::Library(path) => vec![(LIBRARY_VARIABLE, path.into())],
            Self::Binary(path) => vec![(LIBRARY_VARIABLE, OsString::new()), (BINARY_VARIABLE, path.into())],
        }
    }
}

/// Finds the engine: `VENUECODE_LIBCHDB`, else the cache that `deploy/engines/fetch.sh` fills, else `clickhouse` on
/// `PATH`.
///
/// # Errors
/// There is none; the error says how to get one.
pub fn locate() -> anyhow::Result<Engine> {
    if let Some(path) = non_empty(LIBRARY_VARIABLE) {
        if path.is_file() {
            return Ok(Engine::Library(path));
        }
        bail!("{LIBRARY_VARIABLE} names {}, which is not there", path.display());
    }
    if let Some(path) = non_empty(BINARY_VARIABLE) {
        return Ok(Engine::Binary(path));
    }
    let cache = engine_dir()?;
    if let Some(path) = library_in(&cache) {
        return Ok(Engine::Library(path));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join("clickhouse"))
        .find(|file| file.is_file())
        .map(Engine::Binary)
        .ok_or_else(|| {
            anyhow!(
                "the ClickHouse engine is not in {}; run deploy/engines/fetch.sh, or set {LIBRARY_VARIABLE}, or \
                 install clickhouse on PATH",
                cache.display()
            )
        })
}

fn engine_dir() -> anyhow::Result<PathBuf> {
    let package: serde_json::Value = serde_json::from_str(PACKAGE)?;
    let version = package["optionalDependencies"]["@chdb/lib-linux-x64-gnu"]
        .as_str()
        .context("deploy/engines/clickhouse/package.json pins no version")?;
    Ok(cache_dir()?.join(format!("clickhouse-{version}")))
}

fn library_in(cache: &Path) -> Option<PathBuf> {
    let packages = std::fs::read_dir(cache.join("node_modules/@chdb")).ok()?;
    packages
        .flatten()
        .flat_map(|package| ["libchdb.so", "libchdb.dylib"].map(|name| package.path().join(name)))
        .find(|file| file.is_file())
}

/// Runs ClickHouse in this process until the lifeline ends: the body of `venuecode engine clickhouse`.
///
/// # Errors
/// The engine is missing or failed.
pub fn run(config: &Path) -> anyhow::Result<()> {
    match locate()? {
        Engine::Library(library) => run_library(&library, config),
        Engine::Binary(binary) => Err(run_binary(&binary, config)),
    }
}

fn run_library(path: &Path, config: &Path) -> anyhow::Result<()> {
    remove_system_tables(config)?;
    let start = config.with_file_name("start.sql");
    std::fs::write(&start, START).with_context(|| format!("cannot write {}", start.display()))?;
    // The second file is the lifeline: it is read to its end before it is run, and it is empty.
    let arguments = [
        Path::new("clickhouse"),
        Path::new("--config-file"),
        config,
        Path::new("--log-level"), // The one in the configuration has no effect in this mode.
        Path::new("warning"),
        Path::new("--queries-file"),
        &start,
        Path::new("--queries-file"),
        Path::new("/dev/stdin"),
    ]
    .map(|argument| CString::new(argument.as_os_str().as_bytes()));
    let arguments = arguments.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut pointers: Vec<*mut c_char> = arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
    let count = c_int::try_from(pointers.len())?;

    // SAFETY: the library's initialisers are those of ClickHouse and expect nothing of the process. It is never
    // unloaded: the process exits after the call.
    let library = unsafe { Library::new(path) }.with_context(|| format!("cannot load {}", path.display()))?;
    let library = std::mem::ManuallyDrop::new(library);
    // SAFETY: both signatures are those of chdb.h.
    let query: Symbol<'_, QueryCmdline> = unsafe { library.get(b"chdb_query_cmdline\0") }?;
    // SAFETY: as above.
    let error_of: Symbol<'_, ResultError> = unsafe { library.get(b"chdb_result_error\0") }?;

    // SAFETY: `argv` has `argc` pointers to NUL-terminated strings, all alive until the call returns.
    let result = unsafe { query(count, pointers.as_mut_ptr()) };
    if result.is_null() {
        bail!("ClickHouse gave no result");
    }
    // SAFETY: `result` is the live result of the call above.
    let error = unsafe { error_of(result) };
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: a non-null error is a NUL-terminated string that lives as long as the result, which is never freed.
    let message = unsafe { CStr::from_ptr(error) }.to_string_lossy();
    bail!("ClickHouse failed: {message}")
}

/// Removes the logs of earlier runs. This mode keeps no catalogue of the database `system`, so their directories would
/// only be in the way of new tables, and there would be no log at all.
fn remove_system_tables(config: &Path) -> anyhow::Result<()> {
    let Some(data) = config.parent().and_then(Path::parent) else { return Ok(()) };
    let system = data.join("clickhouse/data/system");
    match std::fs::remove_dir_all(&system) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", system.display()))
        }
        _ => Ok(()),
    }
}

/// Becomes `clickhouse server`; returns only if that fails. The parent's SIGTERM stops it, its death too.
fn run_binary(binary: &Path, config: &Path) -> anyhow::Error {
    // Survives the exec, so that no server outlives the parent although it does not read the lifeline.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM)) {
        return anyhow!("cannot tie clickhouse to its parent: {error}");
    }
    let error = Command::new(binary)
        .arg("server")
        .arg("--config-file")
        .arg(config)
        .env("CLICKHOUSE_WATCHDOG_ENABLE", "0")
        .exec();
    anyhow!("cannot run {}: {error}", binary.display())
}
