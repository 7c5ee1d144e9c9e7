//! One answer for all who ask the same at the same time, such as five hundred dashboards that poll.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::OnceCell;

/// Rows of all answers that are kept at most; with more all that are there are let go.
const MAX_ROWS: usize = 500_000;

/// Answers that were asked for within a short time.
pub struct Recent<K, V> {
    kept_for: Duration,
    max_rows: usize,
    answers: Mutex<HashMap<K, Asked<V>>>,
}

struct Asked<V> {
    at: Instant,
    answer: Arc<OnceCell<Arc<Vec<V>>>>,
}

impl<V> Asked<V> {
    fn rows(&self) -> usize {
        self.answer.get().map_or(0, |rows| rows.len())
    }
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// Keeps each answer for so long, from when it was asked for; nothing when that is no time at all.
    pub fn new(kept_for: Duration) -> Self {
        Self { kept_for, max_rows: MAX_ROWS, answers: Mutex::new(HashMap::new()) }
    }

    /// The answer to a question: one that is on its way or was asked for just now, or a new one. A failure is kept by
    /// nobody: whoever waits for the same answer then asks for themselves.
    ///
    /// # Errors
    /// Those of `ask`.
    pub async fn get<E>(&self, question: K, ask: impl AsyncFnOnce() -> Result<Vec<V>, E>) -> Result<Arc<Vec<V>>, E> {
        if self.kept_for.is_zero() {
            return ask().await.map(Arc::new);
        }
        let answer = self.slot(question);
        answer.get_or_try_init(async || ask().await.map(Arc::new)).await.cloned()
    }

    fn slot(&self, question: K) -> Arc<OnceCell<Arc<Vec<V>>>> {
        let now = Instant::now();
        let mut answers = self.answers.lock();
        // What nobody asks for again would otherwise stay; so few are asked for in so short a time that all are looked at.
        answers.retain(|_, asked| now.saturating_duration_since(asked.at) < self.kept_for);
        if answers.values().map(Asked::rows).sum::<usize>() > self.max_rows {
            answers.retain(|_, asked| asked.rows() == 0);
        }
        let asked = answers.entry(question).or_insert_with(|| Asked { at: now, answer: Arc::default() });
        Arc::clone(&asked.answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    async fn ask(recent: &Recent<u32, u32>, question: u32, asked: &AtomicU32) -> u32 {
        let answer = recent.get(question, async || {
            tokio::task::yield_now().await;
            Ok::<_, ()>(vec![asked.fetch_add(1, Ordering::Relaxed) + 1])
        });
        answer.await.expect("an answer")[0]
    }

    #[tokio::test]
    async fn who_asks_the_same_at_the_same_time_gets_one_answer() {
        let (recent, asked) = (Recent::new(LONG), AtomicU32::new(0));
        let answers = tokio::join!(ask(&recent, 1, &asked), ask(&recent, 1, &asked), ask(&recent, 2, &asked));
        assert_eq!((answers.0 == answers.1, asked.load(Ordering::Relaxed)), (true, 2));
        assert_eq!(ask(&recent, 1, &asked).await, answers.0);
    }

    #[tokio::test]
    async fn a_failure_is_kept_by_nobody_and_nothing_is_for_no_time() {
        let (recent, asked) = (Recent::new(Duration::ZERO), AtomicU32::new(0));
        assert_eq!((ask(&recent, 1, &asked).await, ask(&recent, 1, &asked).await), (1, 2));
        assert_eq!(recent.answers.lock().len(), 0);
        let recent = Recent::new(LONG);
        assert_eq!(recent.get(1, async || Err::<Vec<u32>, _>("broken")).await, Err("broken"));
        assert_eq!(ask(&recent, 1, &asked).await, 3);
    }

    #[tokio::test]
    async fn old_answers_are_let_go_with_the_next_question() {
        let (recent, asked) = (Recent::new(Duration::from_millis(20)), AtomicU32::new(0));
        for question in 0..2_000 {
            ask(&recent, question, &asked).await;
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
        ask(&recent, 9_999, &asked).await;
        assert_eq!(recent.answers.lock().len(), 1);
    }

    #[tokio::test]
    async fn answers_are_bounded_by_their_rows() {
        let (recent, asked) = (Recent { max_rows: 10, ..Recent::new(LONG) }, AtomicU32::new(0));
        for question in 0..100 {
            ask(&recent, question, &asked).await;
            assert!(recent.answers.lock().len() <= 12, "ten rows, the one that clears, and the one that is asked for");
        }
    }
}
