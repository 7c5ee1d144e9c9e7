//! Deliberate mistakes, for showing that the tests of exactly-once storing would find them. Never in service.

/// A step of exactly-once storing that is done wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// A range that was written down counts as stored: after a restart it is not stored again.
    CommitBeforeInsert,
    /// Rows are sent without a deduplication token, and ClickHouse keeps nothing from being stored twice.
    TokenLeftOut,
    /// After an unclear outcome nobody looks what is stored.
    ReadBackLeftOut,
}
