//! Whose turn it is: of those who wait, the account with the fewest running, and of these in turn. Pure.

use std::collections::{HashMap, VecDeque};

/// Jobs that wait, and how many run.
#[derive(Debug, Clone)]
pub struct Queue<T> {
    most_running: usize,
    /// Accounts with jobs that wait, whose turn is next first.
    waiting: VecDeque<(String, VecDeque<T>)>,
    /// Accounts with jobs that run.
    running: HashMap<String, usize>,
}

impl<T: Copy + PartialEq> Queue<T> {
    /// Nobody waits, and so many may run.
    pub fn new(most_running: usize) -> Self {
        Self { most_running, waiting: VecDeque::new(), running: HashMap::new() }
    }

    /// A job of an account waits.
    pub fn push(&mut self, account: &str, job: T) {
        match self.waiting.iter_mut().find(|(own, _)| own == account) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.waiting.push_back((account.to_owned(), VecDeque::from([job]))),
        }
    }

    /// The job that begins now, if one waits and may.
    pub fn start(&mut self) -> Option<T> {
        (self.running() < self.most_running).then(|| self.next()).flatten()
    }

    fn next(&mut self) -> Option<T> {
        let running = |account: &str| self.running.get(account).copied().unwrap_or_default();
        // Of equals the first.
        let turn = self.waiting.iter().enumerate().min_by_key(|(_, (account, _))| running(account));
        let (account, mut jobs) = turn.map(|(place, _)| place).and_then(|place| self.waiting.remove(place))?;
        let job = jobs.pop_front();
        *self.running.entry(account.clone()).or_default() += 1;
        if !jobs.is_empty() {
            self.waiting.push_back((account, jobs));
        }
        job
    }

    /// A job of an account that ran has ended.
    pub fn ended(&mut self, account: &str) {
        if let Some(running) = self.running.get_mut(account) {
            *running -= 1;
            if *running == 0 {
                self.running.remove(account);
            }
        }
    }

    /// A job waits no more.
    pub fn remove(&mut self, job: T) {
        self.waiting.iter_mut().for_each(|(_, jobs)| jobs.retain(|other| *other != job));
        self.waiting.retain(|(_, jobs)| !jobs.is_empty());
    }

    /// How many begin before a job, if nobody else asks and nothing ends; none for one that does not wait.
    pub fn place(&self, job: T) -> Option<usize> {
        let mut imagined = self.clone();
        std::iter::from_fn(|| imagined.next()).position(|next| next == job)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.iter().map(|(_, jobs)| jobs.len()).sum()
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.running.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Push(usize),
        Start,
        /// Of the jobs that run the one at this place, round and round.
        End(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..4usize).prop_map(Step::Push),
            3 => Just(Step::Start),
            2 => (0..8usize).prop_map(Step::End),
        ];
        prop::collection::vec(step, 1..200)
    }

    proptest! {
        /// Jobs are numbers, and their accounts are kept beside the queue: what it does is held against plain counting.
        #[test]
        fn everybody_has_a_turn_before_anybody_has_two(steps in steps(), most_running in 1..4usize) {
            let mut queue = Queue::new(most_running);
            let mut of = Vec::new();
            let (mut waiting, mut running): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
            // For each account that waits with nothing running: who has begun meanwhile.
            let mut passed: HashMap<usize, Vec<usize>> = HashMap::new();
            for step in steps {
                match step {
                    Step::Push(account) => {
                        queue.push(&account.to_string(), of.len());
                        waiting.push(of.len());
                        of.push(account);
                    }
                    Step::Start => {
                        let foreseen = waiting.iter().copied().find(|job| queue.place(*job) == Some(0));
                        let Some(job) = queue.start() else {
                            prop_assert!(waiting.is_empty() || running.len() == most_running, "an idle slot");
                            continue;
                        };
                        prop_assert_eq!(Some(job), foreseen);
                        let first = waiting.iter().copied().find(|other| of[*other] == of[job]);
                        prop_assert_eq!(Some(job), first, "each account's in their order");
                        let count = |account: usize| running.iter().filter(|other| of[**other] == account).count();
                        let fewest = waiting.iter().map(|other| count(of[*other])).min();
                        prop_assert_eq!(Some(count(of[job])), fewest, "the fewest first");
                        waiting.retain(|other| *other != job);
                        running.push(job);
                        prop_assert!(running.len() <= most_running);
                        passed.remove(&of[job]);
                        for account in waiting.iter().map(|other| of[*other]).collect::<std::collections::HashSet<_>>() {
                            if !running.iter().any(|other| of[*other] == account) {
                                passed.entry(account).or_default().push(of[job]);
                            }
                        }
                        for (account, others) in &passed {
                            let mut once = others.clone();
                            once.sort_unstable();
                            once.dedup();
                            prop_assert_eq!(once.len(), others.len(), "{} was passed over twice by one", account);
                        }
                    }
                    Step::End(place) => {
                        if !running.is_empty() {
                            let job = running.swap_remove(place % running.len());
                            queue.ended(&of[job].to_string());
                        }
                    }
                }
                prop_assert_eq!((queue.waiting(), queue.running()), (waiting.len(), running.len()));
                let mut places: Vec<_> = waiting.iter().filter_map(|job| queue.place(*job)).collect();
                places.sort_unstable();
                prop_assert_eq!(places, (0..waiting.len()).collect::<Vec<_>>(), "each has a place of its own");
            }
        }
    }

    #[test]
    fn who_asks_for_many_does_not_keep_others_waiting() {
        let mut queue = Queue::new(1);
        (0..5).for_each(|job| queue.push("li", job));
        queue.push("wu", 10);
        assert_eq!((queue.place(10), queue.place(1), queue.place(99)), (Some(1), Some(2), None));
        let mut order = Vec::new();
        while let Some(job) = queue.start() {
            order.push(job);
            queue.ended(if job < 10 { "li" } else { "wu" });
        }
        assert_eq!(order, [0, 10, 1, 2, 3, 4]);
        queue.push("li", 7);
        queue.remove(7);
        assert_eq!((queue.start(), queue.waiting()), (None, 0));
    }
}
