//! What is found of a person: how many rows, and whether anything at all.

use std::collections::BTreeMap;

use rdkafka::Message;
use schemas::stores::{TABLES, TableErased};
use uuid::Uuid;

use crate::fixture::{Fixture, person, until};

/// How many rows of each table that a person is removed from are of that person.
pub async fn rows_of(fixture: &Fixture, who: u64) -> Vec<(&'static str, u64)> {
    let mut rows = Vec::new();
    for table in TABLES {
        let TableErased::Rows(person_rows) = table.erased else { continue };
        let sql = format!("SELECT count() FROM {} WHERE {}", table.name, person_rows.of);
        let query = fixture.config.clickhouse.unlogged_client().query(&sql);
        let count = query.param("person", person(who).to_u64()).param("before_ms", i64::MAX / 2000);
        rows.push((table.name, count.fetch_one().await.expect("counts")));
    }
    rows
}

pub async fn until_in_every_table(fixture: &Fixture, who: u64) {
    until("not in every table", async || {
        let rows = rows_of(fixture, who).await;
        rows.iter().all(|(_, rows)| *rows > 0) && rows.iter().any(|(table, rows)| *table == "trips" && *rows > 1)
    })
    .await;
}

/// Everything in ClickHouse in which a person could be found, but for what is kept for good: every column of every table,
/// and what it was told to do.
pub async fn assert_nowhere(fixture: &Fixture, who: u64, event_ids: &[Uuid]) {
    let kept: Vec<_> = TABLES.iter().filter(|table| matches!(table.erased, TableErased::Kept(_))).collect();
    let (number, hex) = (person(who).to_u64().to_string(), person(who).to_string());
    let tables = fixture
        .lines(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine != 'Null' \
        AND engine NOT LIKE '%View%'",
        )
        .await;
    assert!(tables.len() > 8, "{tables:?}");
    for table in tables.iter().filter(|table| !kept.iter().any(|kept| kept.name == table.as_str())) {
        for row in fixture.lines(&format!("SELECT toString(tuple(*)) AS line FROM {table}")).await {
            let names =
                row.contains(&number) || row.contains(&hex) || event_ids.iter().any(|id| row.contains(&id.to_string()));
            assert!(!names, "{table}: {row}");
        }
    }
    fixture.config.clickhouse.query_client().query("SYSTEM FLUSH LOGS query_log").execute().await.expect("flushed");
    let asked = fixture.lines("SELECT query FROM system.query_log WHERE current_database = currentDatabase()").await;
    assert!(!asked.is_empty(), "there is no log to look at");
    let told = fixture.lines("SELECT command FROM system.mutations WHERE database = currentDatabase()").await;
    for told in asked.into_iter().chain(told) {
        assert!(!told.contains(&number) && !told.contains(&hex), "{told}");
    }
}

/// The last message of each key of a compacted topic: whether it has a value.
pub fn newest(fixture: &Fixture, topic: &str) -> BTreeMap<String, bool> {
    let mut newest = BTreeMap::new();
    fixture.read(topic, |message| {
        let key = String::from_utf8(message.key().expect("a key").to_vec()).expect("text");
        newest.insert(key, message.payload().is_some());
    });
    newest
}
