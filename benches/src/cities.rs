//! A scripted day in each city, held against the city's notice rule by rule: `make cities`.
//!
//! Each city runs as `venuecode up --city NAME` with data of its own, and is driven over HTTP as its clients drive it.
//! What a rule promises is written down here from the notice, and read neither from a profile nor from an answer:
//!
//! - S0, Shanghai, 5 April 2022: announcement articles 一 to 四, questions 01 to 05
//! - S1, Shandong, undated: questions 1 to 4, and the reminder (提醒) at its end
//! - S2, Fuyang, undated: 定义, 作用, 应用范围, 规范1 to 5, 申领步骤
//! - S3, Shanghai, 23 May 2022: paragraphs, counted from the headline figures as the first
//! - S4, Kaifeng, 12 April 2022: articles 1.1 to 3.2, questions 01 to 08

mod api;
mod desk;
mod door;
mod fuyang;
mod kaifeng;
mod office;
mod overview;
mod page;
mod people;
mod posters;
mod records;
mod shandong;
mod shanghai;
mod sheet;

use std::path::PathBuf;

use clap::ValueEnum;
use futures::{Stream, StreamExt};

use crate::stack::Stack;
use crate::terminal::print;
use api::Api;
pub use sheet::Sheet;

/// Verdicts are given as of any day, so that rules of earlier days can be asked for, and codes of events as of any hour.
const AS_OF_ANY_DAY: [(&str, &str); 4] = [
    ("VENUECODE_RETENTION", "off"),
    ("VENUECODE_LATE_AFTER", "1000000000"),
    ("VENUECODE_MAX_SCAN_AGE_DAYS", "36525"),
    ("VENUECODE_MAX_AHEAD", "86400"),
];

const EXAMPLES: &str = "\
For each rule of a city's notice the table says where it stands (S0 to S4), what is promised, and whether the system
does so; if not, what was expected and what was found. Rules that VenueCode does not have yet are listed after each
table. The exit status is 1 if any rule failed.

Examples:
  make cities
  target/release/cities --venuecode target/release/venuecode --city kaifeng
  target/release/cities --venuecode target/release/venuecode --city kaifeng --profile kaifeng-changed.toml";

/// Runs a scripted day in each city and compares it with the city's notice, rule by rule
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "cities", version, after_help = EXAMPLES)]
pub struct CitiesArgs {
    /// The `venuecode` binary that is put to the test
    #[arg(long, value_name = "PATH")]
    pub venuecode: PathBuf,
    /// Only this city; may be given several times
    #[arg(long = "city", value_enum, value_name = "NAME")]
    pub cities: Vec<Notice>,
    /// A changed profile of that city, to see whether it still does what the notice says
    #[arg(long, requires = "cities", value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Cities at the same time
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub at_once: u8,
    /// Where to put their data, which is removed at the end
    #[arg(long, value_name = "DIR")]
    pub data_in: Option<PathBuf>,
}

/// A city whose notice is held against the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Notice {
    /// S0 and S3.
    Shanghai,
    /// S1.
    Shandong,
    /// S2.
    Fuyang,
    /// S4.
    Kaifeng,
}

/// Runs the days and prints their tables; the last line has the figures. Returns whether every rule passed.
///
/// # Errors
/// When a system cannot be started.
pub async fn run(args: CitiesArgs) -> anyhow::Result<bool> {
    let mut sheets = std::pin::pin!(sheets(&args));
    let (mut passed, mut failed, mut missing) = (0, 0, 0);
    while let Some(sheet) = sheets.next().await {
        let sheet = sheet?;
        print(&format!("{sheet}\n"))?;
        passed += sheet.passed().count();
        failed += sheet.failed().count();
        missing += sheet.missing();
    }
    print(&format!("{missing} promises of the notices not covered\n{passed} passed, {failed} failed\n"))?;
    Ok(failed == 0)
}

/// Runs the days, and gives what became of each.
///
/// # Errors
/// When a system cannot be started.
pub fn sheets(args: &CitiesArgs) -> impl Stream<Item = anyhow::Result<Sheet>> {
    let cities = if args.cities.is_empty() { Notice::value_variants() } else { &args.cities };
    futures::stream::iter(cities).map(|city| day(args, *city)).buffered(args.at_once.into())
}

/// One city from its start to its end.
async fn day(args: &CitiesArgs, city: Notice) -> anyhow::Result<Sheet> {
    let name = city.name();
    let profile = args.profile.as_ref().map_or_else(|| name.to_owned(), |profile| profile.display().to_string());
    let flags = ["--city", &profile];
    let mut stack = Stack::start(&args.venuecode, args.data_in.as_deref(), &flags, &AS_OF_ANY_DAY).await?;
    let mut sheet = Sheet::new(name);
    let ran = async {
        let api = Api::try_new(&stack)?;
        match city {
            Notice::Shanghai => shanghai::day(&api, &mut sheet).await,
            Notice::Shandong => shandong::day(&api, &mut sheet).await,
            Notice::Fuyang => fuyang::day(&api, &mut sheet).await,
            Notice::Kaifeng => kaifeng::day(&api, &mut sheet).await,
        }
    };
    let ran = ran.await;
    let stopped = stack.stop().await;
    // What follows on a step that failed could not be tried.
    if let Err(error) = ran.and(stopped) {
        sheet.rule("day", "all", "the day runs to its end", "its end", async { Err(error) }).await;
    }
    Ok(sheet)
}

impl Notice {
    const fn name(self) -> &'static str {
        match self {
            Self::Shanghai => "shanghai",
            Self::Shandong => "shandong",
            Self::Fuyang => "fuyang",
            Self::Kaifeng => "kaifeng",
        }
    }
}
