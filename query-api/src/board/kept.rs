//! Answers that hold as long as none of the hours that they are about has changed.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::known::Look;

/// How long an answer is kept at most: counts of an hour that are the same could hide a scan that was deleted while another
/// one like it came.
const LONGEST: Duration = Duration::from_secs(60);
/// Rows of all answers that are kept at most, each answer counted as one more; with more all are let go.
const MAX_ROWS: usize = 500_000;

/// Answers, each with the look before which it was asked for.
#[derive(Debug)]
pub struct Kept<K, V> {
    max_rows: usize,
    answers: Mutex<Answers<K, V>>,
}

#[derive(Debug)]
struct Answers<K, V> {
    by_key: HashMap<K, Answer<V>>,
    rows: usize,
}

#[derive(Debug)]
struct Answer<V> {
    rows: Arc<[V]>,
    look: Look,
    at: Instant,
}

impl<K: Eq + Hash, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self { max_rows: MAX_ROWS, answers: Mutex::new(Answers { by_key: HashMap::new(), rows: 0 }) }
    }
}

impl<K: Eq + Hash, V> Kept<K, V> {
    /// The answer, unless what it is about was seen to `change` after it had been asked for.
    pub fn get(&self, key: &K, changed: Look) -> Option<Arc<[V]>> {
        let answers = self.answers.lock();
        let answer = answers.by_key.get(key)?;
        (answer.look >= changed && answer.at.elapsed() < LONGEST).then(|| Arc::clone(&answer.rows))
    }

    /// Keeps an answer that was asked for after a look.
    pub fn put(&self, key: K, look: Look, rows: Arc<[V]>) {
        let mut answers = self.answers.lock();
        if answers.rows > self.max_rows {
            answers.by_key.clear();
            answers.rows = 0;
        }
        answers.rows += rows.len() + 1;
        if let Some(old) = answers.by_key.insert(key, Answer { rows, look, at: Instant::now() }) {
            answers.rows -= old.rows.len() + 1;
        }
    }

    /// Lets all of them go.
    pub fn clear(&self) {
        *self.answers.lock() = Answers { by_key: HashMap::new(), rows: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_until_its_hours_change() {
        let kept = Kept::default();
        kept.put("a", 3, [7].into());
        assert_eq!(kept.get(&"a", 3).as_deref(), Some(&[7][..]), "asked for after the look that saw the change");
        assert_eq!(kept.get(&"a", 4), None);
        assert_eq!(kept.get(&"b", 0), None);
        kept.put("a", 4, [8].into());
        assert_eq!(kept.get(&"a", 4).as_deref(), Some(&[8][..]));
    }

    #[test]
    fn answers_are_bounded_by_their_rows() {
        let kept = Kept { max_rows: 10, ..Kept::default() };
        for key in 0..100 {
            kept.put(key % 50, 1, [key].into());
            let answers = kept.answers.lock();
            assert_eq!(answers.rows, 2 * answers.by_key.len());
            assert!(answers.rows <= 12, "{}", answers.rows);
        }
    }
}
