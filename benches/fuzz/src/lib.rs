//! What must hold for any bytes whatever, one module to a fuzz target. Each `check` panics when it does not.
//!
//! `make fuzz` lets libFuzzer look for bytes for which it does not hold; `tests/it.rs` replays on stable Rust what it has
//! found worth keeping (`corpus/`).

pub mod batches;
pub mod documents;
pub mod events;
pub mod plates;
pub mod profiles;
pub mod scans;
pub mod venue_codes;

use schemas::KeyRing;

/// A target: its name, which is also that of its folder in `corpus/`, and its check.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 7] = [
    ("venue_codes", venue_codes::check),
    ("documents", documents::check),
    ("profiles", profiles::check),
    ("events", events::check),
    ("scans", scans::check),
    ("batches", batches::check),
    ("plates", plates::check),
];

/// A ring of these versions; each key repeats its version.
fn ring(versions: &[u8]) -> KeyRing {
    let lines: String =
        versions.iter().map(|version| format!("{version}:{}\n", format!("{version:02x}").repeat(32))).collect();
    KeyRing::try_parse(&lines).unwrap_or_else(|error| panic!("{error}"))
}
