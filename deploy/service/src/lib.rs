//! What makes a crate a process: configuration, telemetry, health endpoints, clients for Kafka and ClickHouse,
//! and an orderly end. It knows nothing of scans.

pub mod access;
pub mod bounded_consumer;
pub mod city;
pub mod clickhouse;
pub mod clock;
pub mod code;
pub mod erased;
pub mod health;
pub mod http;
pub mod identity;
pub mod kafka;
pub mod migrate;
pub mod openapi;
pub mod ports;
pub mod problem;
pub mod retention;
pub mod sealing;
pub mod secret;
pub mod shutdown;
pub mod telemetry;
pub mod topic_reader;

pub use access::{AccessConfig, Caller};
pub use bounded_consumer::BoundedConsumer;
pub use clickhouse::ClickHouseConfig;
pub use code::CodeConfig;
pub use erased::ErasedPeople;
pub use health::Readiness;
pub use http::HttpConfig;
pub use kafka::KafkaConfig;
pub use problem::Problem;
pub use retention::RetentionConfig;
pub use topic_reader::TopicReader;
