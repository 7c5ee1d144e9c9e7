//! The `venuecode` binary: VenueCode with its engines, in one command. Everything is in the library.

use std::process::ExitCode;

/// Cheaper for the gateway's many small buffers than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    standalone::cli::main()
}
