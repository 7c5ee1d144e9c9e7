//! Whose turn it is to trace: few at the same time, so that polls and scans that come in are not held up by many at once.
//!
//! An account has at most half of the turns, and of those who wait the first is next: whoever asks for many traces at once
//! waits for their own, and the others do not.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::QueryError;

/// So many may wait for each one whose turn it is; further ones are refused at once.
const WAITING_PER_TURN: usize = 32;

/// The turns, and who waits for one.
#[derive(Debug)]
pub struct Turns {
    all: Arc<Semaphore>,
    /// Those of each account that has or wants any.
    own: Mutex<HashMap<String, Weak<Semaphore>>>,
    each: usize,
    places: Arc<Semaphore>,
    patience: Duration,
}

/// The turn of a trace, until it is dropped.
#[derive(Debug)]
#[must_use = "the turn ends when it is dropped"]
pub struct Turn {
    _turn: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Turns {
    /// So many turns at the same time, for which is waited so long.
    pub fn new(most: usize, patience: Duration) -> Self {
        let places = Arc::new(Semaphore::new(most.saturating_mul(1 + WAITING_PER_TURN).min(Semaphore::MAX_PERMITS)));
        let (all, each) = (Arc::new(Semaphore::new(most)), (most / 2).max(1));
        Self { all, own: Mutex::default(), each, places, patience }
    }

    /// The next turn of an account.
    ///
    /// # Errors
    /// [`QueryError::Overloaded`] when too many wait, or it does not come in time.
    pub async fn turn(&self, account: &str) -> Result<Turn, QueryError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| QueryError::Overloaded)?;
        let own = self.own(account);
        // None of these is ever closed; an error would mean the same as no turn.
        let both = async {
            let own = own.acquire_owned().await.ok()?;
            Some((Arc::clone(&self.all).acquire_owned().await.ok()?, own))
        };
        let (turn, own) =
            tokio::time::timeout(self.patience, both).await.ok().flatten().ok_or(QueryError::Overloaded)?;
        Ok(Turn { _turn: turn, _own: own, _place: place })
    }

    fn own(&self, account: &str) -> Arc<Semaphore> {
        let mut own = self.own.lock();
        if let Some(turns) = own.get(account).and_then(Weak::upgrade) {
            return turns;
        }
        own.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(self.each));
        own.insert(account.to_owned(), Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn an_account_that_asks_for_many_leaves_turns_to_others() {
        let turns = Turns::new(4, LONG);
        let _greedy = [turns.turn("greedy").await.expect("a turn"), turns.turn("greedy").await.expect("a turn")];
        let mut third = Box::pin(turns.turn("greedy"));
        assert!(poll!(&mut third).is_pending(), "half of the turns");
        let other = turns.turn("other").await.expect("a turn");
        let _another = turns.turn("another").await.expect("a turn");
        let mut waiting = Box::pin(turns.turn("fourth"));
        assert!(poll!(&mut waiting).is_pending(), "all are taken");
        drop(other);
        assert!(poll!(&mut third).is_pending());
        assert!(poll!(&mut waiting).is_ready());
    }

    #[tokio::test]
    async fn who_leaves_or_has_no_patience_takes_nothing_along() {
        let turns = Turns::new(1, Duration::from_millis(1));
        let one = turns.turn("one").await.expect("a turn");
        assert!(matches!(turns.turn("other").await, Err(QueryError::Overloaded)));
        let patient = Turns { patience: LONG, ..turns };
        let mut left = Box::pin(patient.turn("other"));
        assert!(poll!(&mut left).is_pending());
        drop(left);
        drop(one);
        assert!(patient.turn("other").await.is_ok());
        assert_eq!((patient.all.available_permits(), patient.places.available_permits()), (1, 1 + WAITING_PER_TURN));
        drop(patient.own("another"));
        assert_eq!(patient.own.lock().len(), 1, "who has and wants none is forgotten");
    }

    #[tokio::test]
    async fn not_everybody_may_wait() {
        let turns = Turns::new(1, LONG);
        let _one = turns.turn("one").await.expect("a turn");
        let wait = |at: usize| {
            let turns = &turns;
            Box::pin(async move { turns.turn(&at.to_string()).await })
        };
        let mut waiting: Vec<_> = (0..WAITING_PER_TURN).map(wait).collect();
        for turn in &mut waiting {
            assert!(poll!(turn).is_pending());
        }
        assert!(matches!(turns.turn("too many").await, Err(QueryError::Overloaded)));
        drop(waiting.pop());
        assert!(poll!(Box::pin(turns.turn("again"))).is_pending());
    }
}
