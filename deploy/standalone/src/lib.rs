//! One command that runs all of VenueCode: an embedded Kafka, an embedded ClickHouse and the three services.
//!
//! `venuecode up` is the demo and the small town, `venuecode exec` gives fresh engines to a test command. Engines and
//! services are child processes of this executable; the services speak the same protocols to these engines as to a
//! cluster and never know which they have. What a service does is in its own crate, not here.

pub mod audit;
pub mod child;
pub mod cli;
pub mod data_dir;
pub mod dead_letters;
pub mod demo;
pub mod engines;
pub mod exec;
pub mod fonts;
pub mod identities;
pub mod lifeline;
pub mod probe;
pub mod retention;
pub mod secrets;
pub mod services;
pub mod signals;
pub mod token;
pub mod up;
