//! The deliberate mistakes do harm: that is what makes them fit to try the tests with.

use std::time::Duration;

use benches::link::Link;

use crate::{
    fixture::Fixture,
    process::Process,
    stored_exactly_once::{abandon, lose_newest_parts, many},
};

const CANNOT_STORE_SINCE: &str = "processor_cannot_store_since_seconds{partition=\"0\"}";

#[tokio::test(flavor = "multi_thread")]
async fn counting_a_range_as_stored_before_it_is_loses_it() {
    let fixture = Fixture::new(1).await;
    abandon(&fixture, &many(300)).await;
    let process = Process::start(&fixture, &[("VENUECODE_FAULT", "commit-before-insert")]);
    fixture.settle().await;
    assert!(process.log().contains("makes a mistake on purpose"));
    process.terminate();
    assert_eq!(fixture.counts().await, [1; 3], "the marker alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_the_token_out_doubles_what_was_stored_without_an_answer() {
    let fixture = Fixture::new(1).await;
    let link = Link::to(fixture.config.clickhouse.url.trim_start_matches("http://")).await.expect("a link");
    let url = format!("http://{}", link.address);
    let process = Process::start(
        &fixture,
        &[
            ("VENUECODE_FAULT", "token-left-out"),
            ("VENUECODE_CLICKHOUSE_URL", &url),
            ("VENUECODE_INSERT_TIMEOUT_S", "1"),
        ],
    );
    fixture.settle().await;
    link.delay(Duration::from_millis(1_500));
    fixture.scans(&many(100)).await;
    process.wait_for("processor_insert_retries_total", |retries| retries >= 2.0).await;
    link.delay(Duration::ZERO);
    process.wait_for(CANNOT_STORE_SINCE, |since| since == 0.0).await;
    process.terminate();
    assert!(fixture.counts().await[0] > 101, "{:?}", fixture.counts().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_the_read_back_out_loses_what_clickhouse_lost() {
    let fixture = Fixture::new(1).await;
    let abandoned = abandon(&fixture, &many(300)).await;
    abandoned.sink.insert(&abandoned.batch, &abandoned.entry.token()).await.expect("stored");
    lose_newest_parts(&fixture, "scans_by_venue").await;
    let process = Process::start(&fixture, &[("VENUECODE_FAULT", "read-back-left-out")]);
    fixture.settle().await;
    process.terminate();
    assert_eq!(fixture.counts().await, [1, 301, 301]);
}
