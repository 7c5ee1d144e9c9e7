//! The cities' days. Everything is in the library.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = benches::cities::CitiesArgs::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(benches::cities::run(args))) {
        Ok(true) => ExitCode::SUCCESS,
        // The table says what failed.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cities: {error:#}");
            ExitCode::FAILURE
        }
    }
}
