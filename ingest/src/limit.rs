//! How much one client may send: a token bucket per client, counted in scans.
//!
//! A client is the holder of a token, wherever its requests come from.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultKeyedRateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::{config::LimitConfig, error::IngestError};

/// What one client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Scans per second.
    pub per_second: u32,
    /// Scans at once.
    pub burst: u32,
}

impl Quota {
    /// The value of a `RateLimit-Policy` header.
    pub fn policy(self) -> String {
        format!("\"scans\";q={};w=1;burst={}", self.per_second, self.burst)
    }
}

/// Counts what each client sends.
#[derive(Debug)]
pub struct Limiter {
    buckets: DefaultKeyedRateLimiter<u64>,
    clock: DefaultClock,
    quota: Quota,
}

impl Limiter {
    /// A limiter in which every client starts with a full bucket.
    pub fn new(config: &LimitConfig) -> Self {
        let (per_second, burst) = (config.limit_scans_per_second, config.limit_scans_burst);
        Self {
            buckets: DefaultKeyedRateLimiter::keyed(governor::Quota::per_second(per_second).allow_burst(burst)),
            clock: DefaultClock::default(),
            quota: Quota { per_second: per_second.get(), burst: burst.get() },
        }
    }

    /// What one client may send.
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// Takes `scans` out of a client's bucket.
    ///
    /// # Errors
    /// [`IngestError::TooManyRequests`] when they are not in it now, [`IngestError::TooManyLines`] when they
    /// never will be.
    pub fn take(&self, client: u64, scans: usize) -> Result<(), IngestError> {
        let Some(scans) = u32::try_from(scans).ok().and_then(NonZeroU32::new) else { return Ok(()) };
        let too_many = |_| IngestError::TooManyLines { limit: self.quota.burst as usize };
        self.buckets.check_key_n(&client, scans).map_err(too_many)?.map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            IngestError::TooManyRequests { retry_after_s: whole_seconds(wait), quota: self.quota }
        })
    }

    /// Forgets the clients whose buckets are full again; without it memory grows with every holder seen.
    pub fn forget_idle(&self) {
        self.buckets.retain_recent();
        self.buckets.shrink_to_fit();
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per_second: u32, burst: u32) -> Limiter {
        let number = |n| NonZeroU32::new(n).expect("above zero");
        Limiter::new(&LimitConfig {
            limit_scans_per_second: number(per_second),
            limit_scans_burst: number(burst),
            limit_connections: 1,
            limit_client_connections: 1,
            limit_body_mib: 16,
            late_after_s: 600,
            max_scan_age_days: 366,
            max_ahead_s: 60,
        })
    }

    #[test]
    fn a_batch_counts_as_its_lines_and_clients_do_not_share_a_bucket() {
        let limiter = limiter(1, 10);
        let (one, other) = (1, 2);
        assert_eq!(limiter.take(one, 10), Ok(()));
        let quota = limiter.quota();
        assert_eq!(limiter.take(one, 5), Err(IngestError::TooManyRequests { retry_after_s: 5, quota }));
        assert_eq!(limiter.take(other, 10), Ok(()));
        assert_eq!(limiter.take(other, 11), Err(IngestError::TooManyLines { limit: 10 }));
        limiter.forget_idle();
        assert_eq!(limiter.buckets.len(), 2);
    }

    #[test]
    fn the_wait_is_rounded_up_to_whole_seconds() {
        assert_eq!(whole_seconds(Duration::from_millis(20)), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(3)), 3);
    }
}
