//! `venuecode simulate`: a simulated city lives through a few days, at the gateway.

mod feeds;

use std::fmt::Write as _;

use anyhow::ensure;
use chrono::{DateTime, Utc};
use schemas::VenueId;

use crate::city::{City, CityPlan};
use crate::gateway::{Gateway, GatewayConfig, MAX_LINES};
use crate::terminal::{grouped, print};
pub use feeds::{CityFeeder, Counts};

/// Sends the scans of a simulated city
#[derive(Debug, Clone, clap::Args)]
pub struct SimulateArgs {
    /// Scans per second; as many as the gateway takes, when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Lines per request
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_LINES as i64))]
    pub batch: u16,
    /// How large the city is.
    #[command(flatten)]
    pub city: CityArgs,
    /// Where scans go.
    #[command(flatten)]
    pub gateway: GatewayConfig,
}

/// The size of the city.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "City")]
pub struct CityArgs {
    /// Residents
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub people: u32,
    /// Venues
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    pub venues: u32,
    /// Scans in all
    #[arg(long, default_value_t = 200_000, value_name = "N")]
    pub scans: u64,
    /// Days that the scans are spread over
    #[arg(long, default_value_t = 7, value_name = "N")]
    pub days: u16,
    /// The same seed and end give the same city
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// End of the simulated days [default: now]
    #[arg(long, value_name = "RFC3339")]
    pub until: Option<DateTime<Utc>>,
    /// Number of the first venue
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub first_venue: VenueId,
}

impl CityArgs {
    /// The plan; people of different seeds are different people.
    pub fn plan(&self, now: DateTime<Utc>) -> CityPlan {
        CityPlan {
            people: self.people,
            venues: self.venues,
            scans: self.scans,
            days: self.days,
            seed: self.seed,
            until: self.until.unwrap_or(now).timestamp(),
            first_venue: self.first_venue,
            tag: format!("SIM-{:X}", self.seed),
        }
    }
}

/// Simulates the city and prints what became of it.
///
/// # Errors
/// When the city is impossible, the gateway cannot be reached for long, or it refuses something.
pub async fn run(args: SimulateArgs) -> anyhow::Result<()> {
    let city = City::try_new(args.city.plan(Utc::now()))?;
    let gateway = Gateway::try_new(&args.gateway)?;
    gateway.wait_ready().await?;
    let mut feeder = CityFeeder::new(&city, &gateway, usize::from(args.batch), args.rate);
    feeder.directory().await?;
    feeder.health().await?;
    feeder.scans().await?;
    feeder.late_change().await?;
    let counts = feeder.counts();
    let mut text = String::from("城市模拟 Simulated city\n");
    for (name, number) in [
        ("venues", u64::from(args.city.venues)),
        ("people", u64::from(args.city.people)),
        ("scans taken", counts.taken),
        ("  admitted", counts.admitted),
        ("  refused entry", counts.refused_entry),
        ("  recorded only", counts.recorded),
        ("scans not taken", counts.problems),
    ] {
        let _ = writeln!(text, "  {name:<16} {:>12}", grouped(number));
    }
    if let Some(key) = feeder.key_of(city.index_person()) {
        let _ = writeln!(text, "  infected person (person key)  {key}");
    }
    print(&text)?;
    ensure!(counts.problems == 0, "{} scans were not taken: {}", counts.problems, counts.first_problem);
    Ok(())
}
