//! Names of venues from memory: new ones soon after they have changed, in the same table or in another one.

use std::time::{Duration, Instant};

use crate::city::{Api, City, person, range, scan};

/// Looks are a second apart.
const SOON: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);
const READS: &str = "query LIKE '%FROM venues%'";
const PARTS: &str = "query LIKE '%_part NOT IN%'";

async fn name(api: &Api) -> String {
    let visits = api.ok(&format!("/v1/persons/{}/visits?{}", person(1), range(0, 3_600))).await;
    visits["visits"][0]["venue_name"].as_str().unwrap_or_default().to_owned()
}

/// Waits until a venue has this name for whoever asks.
async fn until(api: &Api, expected: &str) {
    let since = Instant::now();
    loop {
        let after = since.elapsed();
        if name(api).await == expected {
            return;
        }
        assert!(after < SOON, "the old name stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until names come from memory.
async fn until_known(city: &City, api: &Api) {
    let since = Instant::now();
    loop {
        let before = city.asked(READS).await;
        name(api).await;
        if city.asked(READS).await == before {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "each answer asks for the names");
    }
}

/// A city with one venue, whose name comes from memory.
async fn remembered(version: u64) -> (City, Api) {
    let city = City::new().await;
    city.store(&[scan(1, 7, 0)]).await;
    city.name(7, "老名字", version).await;
    let api = city.api().await;
    assert_eq!(name(&api).await, "老名字");
    until_known(&city, &api).await;
    (city, api)
}

#[tokio::test]
async fn a_name_changes_soon_and_nothing_is_read_again_meanwhile() {
    let (city, api) = remembered(1).await;
    let (parts, looks) = (city.asked(PARTS).await, city.asked("query LIKE '%system.parts%'").await);
    while city.asked("query LIKE '%system.parts%'").await < looks + 2 {
        assert_eq!(name(&api).await, "老名字");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(parts > 0 && city.asked(PARTS).await == parts, "no part has come");
    city.name(7, "豫园商城", 2).await;
    until(&api, "豫园商城").await;
    city.run("OPTIMIZE TABLE venues FINAL").await;
    city.name(7, "豫园", 3).await;
    until(&api, "豫园").await;
}

/// Its parts have the same names, and versions begin anew with the topic.
#[tokio::test]
async fn the_names_are_those_of_a_table_that_is_made_anew() {
    let (city, api) = remembered(9).await;
    let parts = "SELECT name FROM system.parts WHERE database = currentDatabase() AND table = 'venues' AND active";
    let old_parts = city.lines(parts).await;
    city.run("CREATE TABLE others AS venues").await;
    city.run("EXCHANGE TABLES venues AND others").await;
    city.name(7, "豫园商城", 1).await;
    assert_eq!(city.lines(parts).await, old_parts);
    until(&api, "豫园商城").await;
}
