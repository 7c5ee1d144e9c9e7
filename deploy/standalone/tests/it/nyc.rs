//! Real check-ins from end to end: imported twice while the processor is killed, then held against the oracle.
//!
//! The data may not be redistributed: `make test-nyc DATA=DIR` says where it is; `make test` leaves this out.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use benches::import::{ColumnArgs, read_sightings};
use chrono::{DateTime, FixedOffset, Utc};

use crate::agreement::Expected;
use crate::stack::Stack;
use crate::support::{kill, pid};

/// The file counts minutes from an unstated start over 318 days; this puts its end before today.
const DAYS_BACK: i64 = 320;

const ROWS: u64 = 147_938;
const DISTINCT: u64 = 147_480;
const PAIRS_AT_30_MINUTES: usize = 3_800;
/// People whose contacts' contacts are looked at as well.
const CHAINS: usize = 30;

fn columns() -> anyhow::Result<ColumnArgs> {
    let midnight = Utc::now().date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let origin: DateTime<Utc> = midnight - chrono::TimeDelta::days(DAYS_BACK);
    Ok(ColumnArgs {
        person_column: "user".to_owned(),
        venue_column: "venue".to_owned(),
        time_column: "minute".to_owned(),
        time_unit: "minutes".parse().map_err(|error| anyhow::anyhow!("{error}"))?,
        time_origin: origin,
        utc_offset: FixedOffset::east_opt(0).context("no offset")?,
        delimiter: b',',
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nyc_check_ins_are_stored_once_and_traced_as_the_oracle_says() -> anyhow::Result<()> {
    let dir = std::env::var_os("NYC_DATA").context("NYC_DATA is not set: run `make test-nyc DATA=DIR`")?;
    let (checkins, venues) =
        (PathBuf::from(&dir).join("nyc-checkins.csv.gz"), PathBuf::from(&dir).join("nyc-venues.csv"));
    for file in [&checkins, &venues] {
        ensure!(file.is_file(), "{} is missing: DATA names the folder that holds it", file.display());
    }
    let columns = columns()?;
    let sightings = read_sightings(&checkins, &columns)?;
    ensure!(sightings.len() as u64 == ROWS, "the file has {} rows, not {ROWS}", sightings.len());

    // They are older than any city keeps scans.
    let stack = Stack::start_with_environment(&[], &[("VENUECODE_RETENTION", "off")])?;
    let expected = Expected::new(sightings, &stack.person_keys()?)?;
    ensure!(expected.distinct() == DISTINCT, "the file has {} distinct check-ins", expected.distinct());

    let (checkins, venues) = (checkins.display().to_string(), venues.display().to_string());
    let gateway = stack.gateway();
    stack.run(&[
        "import-venues",
        &venues,
        "--gateway",
        &gateway,
        "--id-column",
        "venue",
        "--latitude-column",
        "lat",
        "--longitude-column",
        "lon",
        "--category",
        "other",
        "--district",
        "310101",
    ])?;
    let origin = columns.time_origin.to_rfc3339();
    let import = [
        "import",
        &checkins,
        "--gateway",
        &gateway,
        "--person-column",
        "user",
        "--venue-column",
        "venue",
        "--time-column",
        "minute",
        "--time-unit",
        "minutes",
        "--time-origin",
        &origin,
    ];
    let summary = std::thread::scope(|scope| -> anyhow::Result<String> {
        let importing = scope.spawn(|| stack.run(&import));
        let mut old = pid(stack.data.path(), "processor", None)?;
        while !importing.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(700));
            kill(old)?;
            old = pid(stack.data.path(), "processor", Some(old))?;
        }
        importing.join().map_err(|_| anyhow::anyhow!("the import panicked"))?
    })?;
    println!("first import, the processor killed all the while:\n{summary}");
    kill(pid(stack.data.path(), "processor", None)?)?;
    println!("second import:\n{}", stack.run(&import)?);
    stack.wait_until_stored(DISTINCT).await?;
    println!("stored: {DISTINCT} of {ROWS} rows, each distinct check-in once");

    let api = stack.query_api()?;
    let (pairs, slowest) = expected.compare_traces(&api, 30).await?;
    println!("traces of all people agree with the oracle: {pairs} distinct pairs; the slowest took {slowest:?}");
    ensure!(pairs == PAIRS_AT_30_MINUTES, "{pairs} pairs, not {PAIRS_AT_30_MINUTES}");
    let reached = expected.compare_chains(&api, CHAINS).await?;
    println!("traces over two hops and by dwell time agree as well: {reached} people reached from {CHAINS}");
    let venues = expected.compare_footfall(&api).await?;
    println!("footfall per hour and day of all {venues} venues agrees with the oracle");
    Ok(())
}
