//! The gateway: everything that writes. It checks what comes in, answers a scan from its tables in memory, and
//! says "accepted" only once Kafka has the event on all in-sync replicas.
//!
//! It stores nothing itself and asks no other service: its tables are read from the compacted topics.

mod answer;
mod body;
pub mod config;
mod error;
mod feed;
mod fields;
mod limit;
mod metrics;
mod ndjson;
mod openapi;
mod person;
mod producer;
mod routes;
mod scan;
mod serve;
mod state;
mod tables;
mod time;
mod wording;

pub use config::Config;
pub use routes::router;
pub use serve::{run, serve};
pub use state::Gateway;
