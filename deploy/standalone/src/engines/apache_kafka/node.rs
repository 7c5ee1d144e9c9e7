//! The body of `venuecode engine apache-kafka`: formats a node's storage if need be and becomes the node's JVM.

use std::ffi::OsString;
use std::os::unix::process::{CommandExt, parent_id};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args;

/// Kafka writes this file last when it formats a directory.
const FORMATTED: &str = "meta.properties";

/// What one node needs to know.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// Folder of the jars.
    #[arg(long)]
    jars: PathBuf,
    /// The Java to run them with.
    #[arg(long)]
    java: PathBuf,
    /// Kafka's configuration file.
    #[arg(long)]
    settings: PathBuf,
    /// Log4j's configuration file.
    #[arg(long)]
    logging: PathBuf,
    /// Where the node stores.
    #[arg(long)]
    data: PathBuf,
    /// Identity of the cluster.
    #[arg(long)]
    cluster_id: String,
}

/// Becomes the node; returns only if that fails.
///
/// The JVM does not read the lifeline, so the kernel is asked to kill it when the parent ends. What it has acknowledged
/// outlives that.
///
/// # Errors
/// The storage cannot be formatted or Java cannot be run.
pub fn run(args: &NodeArgs) -> anyhow::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let parent = parent_id();
        // Survives the exec below.
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
            .context("cannot tie Kafka to its parent")?;
        if parent_id() != parent {
            bail!("the parent ended before Kafka started");
        }
    }
    if !args.data.join(FORMATTED).exists() {
        format(args)?;
    }
    // A few thousand partitions, as all tests together make, take 400 MiB. Without memory it ends and is started again:
    // the threads that live on would answer nobody.
    let mut java = command(args, &["-Xms96m", "-Xmx1g", "-XX:+ExitOnOutOfMemoryError"]);
    let error = java.arg("kafka.Kafka").arg(&args.settings).exec();
    Err(error).with_context(|| format!("cannot run {}", args.java.display()))
}

fn format(args: &NodeArgs) -> anyhow::Result<()> {
    let mut java = command(args, &["-Xmx128m", "-XX:TieredStopAtLevel=1"]);
    java.args(["kafka.tools.StorageTool", "format", "--cluster-id", &args.cluster_id, "--config"]).arg(&args.settings);
    let status = java.status().with_context(|| format!("cannot run {}", args.java.display()))?;
    if !status.success() {
        bail!("Kafka could not format {}: {status}", args.data.display());
    }
    Ok(())
}

fn command(args: &NodeArgs, options: &[&str]) -> Command {
    let mut logging = OsString::from("-Dlog4j2.configurationFile=");
    logging.push(&args.logging);
    let mut command = Command::new(&args.java);
    // One collector thread: the machine is shared with everything else.
    command.args(options).arg("-XX:+UseSerialGC").arg(logging).arg("-cp").arg(args.jars.join("*"));
    command
}
