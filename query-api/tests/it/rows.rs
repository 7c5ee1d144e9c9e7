//! What is stored is what was encoded, and the service's user can only read it.

use schemas::{Colour, Direction, Exemption, Method, Reasons, ScanRow, TestResult, Verdict};
use uuid::Uuid;

use crate::city::{City, env, person, scan};

fn pick<T: Copy>(all: &[T], index: usize) -> T {
    all[index % all.len()]
}

/// Rows that together have every value of every enum, and the ends of every number.
fn every_value() -> Vec<ScanRow> {
    let row = |index: usize| ScanRow {
        person: person(index as u64),
        venue: [0, 1, u32::MAX][index % 3],
        scanned_at: [0, 1_653_235_200, u32::MAX.into()][index % 3],
        method: pick(Method::ALL, index),
        direction: pick(Direction::ALL, index),
        verdict: pick(Verdict::ALL, index),
        reasons: Reasons::from_bits([0, 1, 0x03ff, u16::MAX][index % 4]),
        exemption: pick(Exemption::ALL, index),
        colour_shown: pick(Colour::ALL, index),
        colour: pick(Colour::ALL, index + 1),
        test_result: pick(TestResult::ALL, index),
        test_sampled_at: [0, 1_653_000_000, u32::MAX.into()][index % 3],
        district: [0, 310_101, u32::MAX][index % 3],
        category: ["", "餐饮服务场所", &"x".repeat(300)][index % 3].to_owned(),
        far_from_venue: false,
        event_id: Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff + index as u128),
        stream: [0, 7, u32::MAX][index % 3],
        kafka_offset: u64::MAX - index as u64,
    };
    (0..60).map(row).collect()
}

#[tokio::test]
async fn every_column_is_read_back_as_it_was_encoded() {
    let city = City::new().await;
    let rows = every_value();
    city.store(&rows).await;

    let mut expected: Vec<_> = rows
        .iter()
        .map(|row| {
            [
                row.person.to_u64().to_string(),
                row.venue.to_string(),
                row.scanned_at.to_string(),
                row.method.to_string(),
                row.direction.to_string(),
                row.verdict.to_string(),
                row.reasons.bits().to_string(),
                row.exemption.to_string(),
                row.colour_shown.to_string(),
                row.colour.to_string(),
                row.test_result.to_string(),
                row.test_sampled_at.to_string(),
                row.district.to_string(),
                row.category.clone(),
                row.stream.to_string(),
                row.kafka_offset.to_string(),
            ]
            .join("\t")
        })
        .collect();
    expected.sort();
    for table in ["scans_by_venue", "scans_by_person"] {
        let sql = format!(
            "SELECT person_id, venue_id, toUnixTimestamp(scanned_at), method, direction, verdict, reasons, exemption, \
             colour_shown, colour, test_result, toUnixTimestamp(test_sampled_at), district, category, stream, \
             kafka_offset FROM {table}"
        );
        let mut stored = city.lines(&sql).await;
        stored.sort();
        assert_eq!(stored, expected, "{table}");
    }
    let mut ids: Vec<_> =
        rows.iter().map(|row| format!("{}\t{}\t{}", row.stream, row.kafka_offset, row.event_id)).collect();
    ids.sort();
    let mut stored = city.lines("SELECT stream, kafka_offset, event_id FROM scan_ids").await;
    stored.sort();
    assert_eq!(stored, ids);
}

#[tokio::test]
async fn the_user_of_the_service_changes_nothing_that_is_stored() {
    let city = City::new().await;
    city.store(&[scan(1, 1, 0)]).await;
    let mut reader = city.admin.clone();
    reader.user = env("VENUECODE_QUERY_USER");
    reader.password = env("VENUECODE_QUERY_PASSWORD").parse().expect("a secret");
    let reader = reader.query_client();
    let count: u64 = reader.query("SELECT count() FROM scans_by_venue").fetch_one().await.expect("it can read");
    assert_eq!(count, 1);
    for sql in [
        "ALTER TABLE scans_by_venue DELETE WHERE 1",
        "DELETE FROM scans_by_venue WHERE 1",
        "TRUNCATE TABLE scans_by_venue",
        "DROP TABLE scans_by_venue",
        "ALTER TABLE audit_log UPDATE account = '' WHERE 1",
        "ALTER TABLE audit_log DELETE WHERE 1",
        "TRUNCATE TABLE audit_log",
        "CREATE TABLE mine (a UInt8) ENGINE = Memory",
    ] {
        assert!(reader.query(sql).execute().await.is_err(), "it may not: {sql}");
    }
    // Into which table it may insert is granted by name in an installation, and tested there (`standalone`).
    let lifted = reader.query("DROP TABLE scans_by_venue").with_setting("readonly", "0");
    assert!(lifted.execute().await.is_err(), "it may not lift its own limits");
    assert_eq!(city.lines("SELECT count() FROM scans_by_venue").await, ["1"]);
}
