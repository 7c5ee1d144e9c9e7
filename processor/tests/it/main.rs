//! What the processor promises, on a real Kafka and a real ClickHouse. Run by `venuecode exec -- cargo test`.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

mod alerts;
mod enriched_as_of_the_scan;
mod erasures;
mod faults;
mod fixture;
mod freight;
mod health_changes;
mod identities;
mod order_of_feeds;
mod outages;
mod process;
mod proposals;
mod refused;
mod registry;
mod releases;
mod reminders;
mod retention;
mod stored_exactly_once;
mod two_processes;
