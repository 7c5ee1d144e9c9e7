//! The gateway: everything that writes. It checks what comes in, answers a scan from its tables in memory, and
//! says "accepted" only once Kafka has the event on all in-sync replicas, or the disk has it in the spool while Kafka is
//! out of reach.
//!
//! It asks no other service: its tables are read from the compacted topics.

mod admission;
mod answer;
mod answers;
mod application;
mod body;
mod bulk;
pub mod caught;
mod config;
mod connections;
mod directory;
pub mod dry_run;
mod erasure;
mod error;
mod feed;
mod fields;
mod guesses;
mod keep;
mod limit;
mod metrics;
mod ndjson;
mod note;
mod openapi;
mod pace;
mod person;
mod personal;
mod producer;
mod reach;
mod recognition;
mod refusals;
mod registration;
mod release;
mod reminder;
mod route;
mod routes;
mod scan;
mod scope;
mod serve;
mod spool;
mod state;
pub mod tables;
mod time;
mod trip;
mod venue_fields;
mod wording;

pub use config::Config;
pub use routes::TABLE;
pub use serve::{run, serve};
pub use state::Gateway;
