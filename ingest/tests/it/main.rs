//! The gateway against a real Kafka: a random topic set and a gateway of its own per test.
//!
//! Run them with `venuecode exec -- cargo test --release -p ingest`, or with `VENUECODE_KAFKA` set.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

mod access;
mod alerts;
mod api;
mod applications;
mod bulk;
mod cities;
mod codes;
mod erasures;
mod feeds;
mod gateway;
mod limits;
mod outages;
mod overload;
mod people;
mod privacy;
mod process;
mod receipts;
mod releases;
mod reminders;
mod restart;
mod rotation;
mod scans;
mod scans_batch;
mod shutdown;
mod snapshots;
mod spool;
mod trips;
