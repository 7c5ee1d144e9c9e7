//! `venuecode demo`: the whole system with a small simulated city in it, from scan to contact trace.

use std::path::PathBuf;

use anyhow::Context;
use benches::demo::DemoArgs;
use benches::tokens::{HOLDER, TokenConfig};
use clap::Args;

use crate::services;
use crate::signals::Signals;
use crate::up::{System, UpArgs};

const CITY: &str = "shanghai";

/// Flags of `venuecode demo`.
#[derive(Debug, Args)]
pub struct DemoCommand {
    /// Use the system at --gateway and --query instead of starting one.
    #[arg(long)]
    running: bool,
    /// Stay up afterwards, until Ctrl-C.
    #[arg(long, conflicts_with = "running")]
    stay: bool,
    /// Keep the data in this directory; a temporary one otherwise.
    #[arg(long, value_name = "DIR", conflicts_with = "running")]
    data: Option<PathBuf>,
    #[command(flatten)]
    demo: DemoArgs,
}

/// Starts the system on free ports, shows the demonstration, and stops it again.
///
/// # Errors
/// Something did not start, or an answer was not as it should be.
pub async fn run(mut command: DemoCommand) -> anyhow::Result<()> {
    if command.running {
        return benches::demo::run(command.demo).await;
    }
    let scratch = tempfile::Builder::new().prefix("venuecode-demo-").tempdir().context("no temporary directory")?;
    let data = command.data.take().unwrap_or_else(|| scratch.path().to_owned());
    let mut up = UpArgs::on_free_ports(data, CITY)?;
    up.automatic_feeds.push(HOLDER.to_owned());
    let addresses = up.addresses();
    let url = |address| format!("http://{}", services::reachable(address)).parse().context("an address is no URL");
    command.demo.gateway.gateway = url(addresses.ingest)?;
    command.demo.query.query = url(addresses.query)?;

    let mut signals = Signals::new()?;
    let Some(system) = System::start(&up, &mut signals).await? else { return Ok(()) };
    command.demo.gateway.tokens = TokenConfig { token_key_file: Some(system.token_key().to_owned()), token: None };
    let mut outcome = tokio::select! {
        outcome = benches::demo::run(command.demo) => outcome,
        _ = signals.recv() => Err(anyhow::anyhow!("interrupted")),
    };
    if command.stay && outcome.is_ok() {
        system.print_addresses();
        println!("staying; Ctrl-C stops");
        signals.recv().await;
        outcome = Ok(());
    }
    system.stop().await;
    outcome
}
