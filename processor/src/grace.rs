//! How long what is under way may take once a worker was asked to stop.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// So long: nearly everything ends in this time, and whoever is to have the partition waits for it.
const GRACE: Duration = Duration::from_secs(5);

/// Waits for work to end; `None` when it has not ended so long after `stop`. Nothing is known of it then.
pub async fn within_grace<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    within(GRACE, stop, work).await
}

async fn within<T>(grace: Duration, stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = async { stop.cancelled().await; tokio::time::sleep(grace).await } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        time::{Duration, Instant},
    };

    use super::*;

    #[tokio::test]
    async fn work_is_waited_for_until_some_time_after_the_stop() {
        const GRACE: Duration = Duration::from_millis(200);
        let work = |ms| tokio::time::sleep(Duration::from_millis(ms));
        let stop = CancellationToken::new();
        assert_eq!(within(Duration::ZERO, &stop, work(50)).await, Some(()), "nobody asked to stop");
        stop.cancel();
        assert_eq!(within(GRACE * 100, &stop, work(50)).await, Some(()));
        let started = Instant::now();
        assert_eq!(within(GRACE, &stop, pending::<()>()).await, None);
        assert!(started.elapsed() >= GRACE);
    }
}
