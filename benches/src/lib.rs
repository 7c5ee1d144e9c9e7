//! Everything that drives VenueCode from outside: a simulated city, an importer, a demonstration, a load generator,
//! and the oracle that says what a trace must find.
//!
//! It speaks to the services over HTTP only, as any client does; [`tables`] fills topics, [`polls`] and [`queries`]
//! tables besides. [`import`], [`simulate`] and [`demo`] are commands of the `venuecode` binary; [`load`], [`tables`],
//! [`polls`], [`queries`], [`chaos`] and [`cities`] are binaries of their own.

pub mod chaos;
pub mod cities;
pub mod city;
pub mod demo;
pub mod doors;
pub mod gateway;
pub mod import;
pub mod link;
pub mod load;
pub mod oracle;
pub mod polls;
pub mod printed;
pub mod queries;
pub mod query;
pub mod releases;
pub mod simulate;
pub mod stack;
pub mod tables;
pub mod terminal;
pub mod tokens;
pub mod verify;
