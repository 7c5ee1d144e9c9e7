//! The load generator. Everything is in the library.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = benches::load::LoadArgs::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(benches::load::run(args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
