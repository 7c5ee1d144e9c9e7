//! A simulated city from end to end, held against the oracle: what `make test-nyc` does with real check-ins.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use anyhow::ensure;
use benches::city::{City, CityPlan};
use benches::oracle::Sighting;
use chrono::{DateTime, Utc};

use crate::agreement::Expected;
use crate::stack::Stack;
use crate::support::{kill, pid};

fn plan(seed: u64) -> CityPlan {
    // Ends well before now, so that no row lies in the future on a clock that is a little behind.
    let until = Utc::now().timestamp() - 3600;
    CityPlan { people: 150, venues: 40, scans: 8_000, days: 4, seed, until, first_venue: 1, tag: "T".to_owned() }
}

/// The city's scans as a CSV file with some rows twice, and its venues.
fn write_files(stack: &Stack, city: &City, sightings: &[Sighting]) -> anyhow::Result<()> {
    let mut scans = String::from("user,venue,at\n");
    let repeated = sightings.iter().step_by(17);
    for Sighting { person, venue, at } in sightings.iter().chain(repeated) {
        let at = DateTime::from_timestamp(*at, 0).unwrap_or_default().to_rfc3339();
        writeln!(scans, "{person},{venue},{at}")?;
    }
    fs::write(stack.data.path().join("scans.csv"), scans)?;
    let mut venues = String::from("id\n");
    for venue in city.venues().iter().map(|v| v.id).collect::<BTreeSet<_>>() {
        writeln!(venues, "{venue}")?;
    }
    fs::write(stack.data.path().join("venues.csv"), venues)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_city_is_stored_once_and_traced_as_the_oracle_says() -> anyhow::Result<()> {
    let seed = u64::from(rand::random::<u32>());
    println!("seed {seed}");
    let city = City::try_new(plan(seed))?;
    let sightings: Vec<Sighting> =
        city.scans().map(|s| Sighting { person: u64::from(s.person), venue: s.venue, at: s.at }).collect();

    let mut stack = Stack::start()?;
    let expected = Expected::new(sightings.iter().copied(), &stack.person_keys()?)?;
    write_files(&stack, &city, &sightings)?;
    let gateway = stack.gateway();
    stack.run(&["import-venues", "venues.csv", "--gateway", &gateway, "--id-column", "id"])?;
    let import =
        ["import", "scans.csv", "--gateway", &gateway, "--time-column", "at", "--batch", "200", "--from-start"];
    let (first, killed) = std::thread::scope(|scope| {
        let importing = scope.spawn(|| stack.run(&import));
        let killed = pid(stack.data.path(), "processor", None).and_then(kill);
        (importing.join(), killed)
    });
    killed?;
    first.map_err(|_| anyhow::anyhow!("the import panicked"))??;
    // Nothing may begin anew after it: the embedded broker tidies its topics up at every start.
    stack.restart()?;
    let second = stack.run(&import)?;
    ensure!(second.contains("duplicate"), "the summary says nothing of duplicates: {second}");
    stack.wait_until_stored(expected.distinct()).await?;

    let api = stack.query_api()?;
    for window_minutes in [5, 30, 240] {
        expected.compare_traces(&api, window_minutes).await?;
    }
    let reached = expected.compare_chains(&api, 8).await?;
    ensure!(reached > 0, "nobody was reached from anybody");
    expected.compare_footfall(&api).await?;

    // What a service may not do is found here: without a right it needs it says so, and answers some other way.
    stack.stop()?;
    let log = fs::read_to_string(stack.data.path().join("logs/query-api.log"))?;
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).collect();
    let unexpected: Vec<_> = warnings.iter().filter(|line| !line.contains("waiting for clickhouse")).collect();
    ensure!(unexpected.is_empty(), "the query service is not content: {unexpected:?}");
    Ok(())
}
