//! One answer for all who ask the same at the same time, such as five hundred dashboards that poll.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::OnceCell;

/// Questions that are remembered before old ones are looked for.
const CLEAR_ABOVE: usize = 1_024;

/// Answers that were asked for within a short time.
pub struct Recent<K, V> {
    kept_for: Duration,
    answers: Mutex<HashMap<K, Asked<V>>>,
}

struct Asked<V> {
    at: Instant,
    answer: Arc<OnceCell<Arc<V>>>,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// Keeps each answer for so long, from when it was asked for; nothing when that is no time at all.
    pub fn new(kept_for: Duration) -> Self {
        Self { kept_for, answers: Mutex::new(HashMap::new()) }
    }

    /// The answer to a question: one that is on its way or was asked for just now, or a new one. A failure is kept by
    /// nobody: whoever waits for the same answer then asks for themselves.
    ///
    /// # Errors
    /// Those of `ask`.
    pub async fn get<E>(&self, question: K, ask: impl AsyncFnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let answer = self.slot(question);
        answer.get_or_try_init(async || ask().await.map(Arc::new)).await.cloned()
    }

    fn slot(&self, question: K) -> Arc<OnceCell<Arc<V>>> {
        let now = Instant::now();
        let is_old = |asked: &Asked<V>| now.saturating_duration_since(asked.at) >= self.kept_for;
        let mut answers = self.answers.lock();
        if answers.len() >= CLEAR_ABOVE {
            answers.retain(|_, asked| !is_old(asked));
        }
        let fresh = || Asked { at: now, answer: Arc::default() };
        let asked = answers.entry(question).or_insert_with(fresh);
        if is_old(asked) {
            *asked = fresh();
        }
        Arc::clone(&asked.answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    async fn ask(recent: &Recent<u8, u32>, question: u8, asked: &AtomicU32) -> u32 {
        let answer = recent.get(question, async || {
            tokio::task::yield_now().await;
            Ok::<_, ()>(asked.fetch_add(1, Ordering::Relaxed) + 1)
        });
        *answer.await.expect("an answer")
    }

    #[tokio::test]
    async fn who_asks_the_same_at_the_same_time_gets_one_answer() {
        let (recent, asked) = (Recent::new(Duration::from_secs(60)), AtomicU32::new(0));
        let answers = tokio::join!(ask(&recent, 1, &asked), ask(&recent, 1, &asked), ask(&recent, 2, &asked));
        assert_eq!((answers.0 == answers.1, asked.load(Ordering::Relaxed)), (true, 2));
        assert_eq!(ask(&recent, 1, &asked).await, answers.0);
    }

    #[tokio::test]
    async fn an_old_answer_and_a_failure_are_kept_by_nobody() {
        let (recent, asked) = (Recent::new(Duration::ZERO), AtomicU32::new(0));
        assert_eq!((ask(&recent, 1, &asked).await, ask(&recent, 1, &asked).await), (1, 2));
        let recent = Recent::new(Duration::from_secs(60));
        assert_eq!(recent.get(1, async || Err::<u32, _>("broken")).await, Err("broken"));
        assert_eq!(ask(&recent, 1, &asked).await, 3);
        for question in 0..=u8::MAX {
            ask(&recent, question, &asked).await;
        }
        assert!(recent.answers.lock().len() <= 256);
    }
}
