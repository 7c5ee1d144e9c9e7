//! Whether a service forgets what is past.

use schemas::{CityProfile, Retention};

/// Whether what is past is forgotten.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Retention")]
pub struct RetentionConfig {
    /// What is older than the city keeps scans: refused and removed, or kept because the data are of another time
    #[arg(long, env = "VENUECODE_RETENTION", default_value = "city", value_enum)]
    pub retention: Forget,
}

/// When what is past is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Forget {
    /// As the city profile says.
    City,
    /// Never: for imports and simulations of the past. Not for what people scan.
    Off,
}

impl RetentionConfig {
    /// The retention of the city, unless nothing is to be forgotten.
    pub fn of(self, city: &CityProfile) -> Option<Retention> {
        (self.retention == Forget::City).then(|| Retention::of(city))
    }
}
