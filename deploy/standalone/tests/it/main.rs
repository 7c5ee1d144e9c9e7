//! What `venuecode` promises about processes and data, tried on real processes with the real engines.
//!
//! A missing engine fails these tests; run `deploy/engines/fetch.sh` first.

mod agreement;
mod exec;
mod nyc;
mod simulated_city;
mod stack;
mod support;
mod survival;
mod up;
