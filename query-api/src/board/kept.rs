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
/// one like it came, or an answer of a replica that had not yet what the look had seen on another one.
const LONGEST: Duration = Duration::from_secs(15);
/// Rows of all answers that are kept at most, each answer counted as one more; with more those that are too old are let go,
/// or else all.
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
            answers.retain(|answer| answer.at.elapsed() < LONGEST);
        }
        if answers.rows > self.max_rows {
            answers.retain(|_| false);
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

impl<K: Eq + Hash, V> Answers<K, V> {
    fn retain(&mut self, stays: impl Fn(&Answer<V>) -> bool) {
        self.by_key.retain(|_, answer| stays(answer));
        self.rows = self.by_key.values().map(|answer| answer.rows.len() + 1).sum();
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

    #[test]
    fn of_too_many_answers_the_old_ones_go_first() {
        let kept = Kept { max_rows: 10, ..Kept::default() };
        for key in 0..6 {
            kept.put(key, 1, [key].into());
        }
        let old = Instant::now().checked_sub(LONGEST).expect("a time");
        kept.answers.lock().by_key.iter_mut().filter(|(key, _)| **key < 4).for_each(|(_, answer)| answer.at = old);
        assert_eq!((kept.get(&3, 1), kept.get(&4, 1).as_deref()), (None, Some(&[4][..])));
        kept.put(6, 1, [6].into());
        let mut keys: Vec<_> = kept.answers.lock().by_key.keys().copied().collect();
        keys.sort_unstable();
        assert_eq!((keys, kept.answers.lock().rows), (vec![4, 5, 6], 6));
    }
}
