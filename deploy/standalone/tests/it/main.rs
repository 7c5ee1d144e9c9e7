//! What `venuecode` promises about processes and data, tried on real processes with the real engines.
//!
//! A missing engine fails these tests; run `deploy/engines/fetch.sh` first. Kafka is the embedded one unless
//! `VENUECODE_KAFKA_ENGINE` says otherwise; `three_brokers` needs Apache Kafka (`make test-kafka`).

mod agreement;
mod alert_rules;
mod alerts;
mod applications;
mod audit;
mod broker;
mod bulk;
mod cities;
mod dead_letters;
mod erasure;
mod exec;
mod fetches;
mod forgetting;
mod health_agrees;
mod identities;
mod nyc;
mod posters;
mod privacy;
mod queries;
mod reminders;
mod retention;
mod simulated_city;
mod stack;
mod support;
mod survival;
mod three_brokers;
mod trips;
mod up;
