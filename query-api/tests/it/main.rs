//! The query service on a real ClickHouse. Run with `venuecode exec -- cargo test -p query-api`.

#![expect(clippy::expect_used, reason = "a test that cannot go on should say where")]

mod access;
mod alerts;
mod applications;
mod audit;
mod board;
mod chains;
mod city;
mod counts;
mod crowds;
mod directory;
mod erasures;
mod exports;
mod footfall;
mod health_changes;
mod health_proposals;
mod identity;
mod input;
mod inquiries;
mod jobs;
mod live;
mod openapi;
mod operations;
mod oracle;
mod page;
mod plausibility;
mod poster_route;
mod posters;
mod process;
mod readiness;
mod reads;
mod releases;
mod reminders;
mod rows;
mod stats;
mod suppressed;
mod traces;
mod trips;
mod turns;
mod visitors;
mod visits;
