//! The requests that wait for Kafka, and what has become of their messages so far. Pure but for the time of [`Ages`].

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use slab::Slab;

/// How long a slot of [`Ages`] lasts.
const SLOT: Duration = Duration::from_millis(50);
const SLOTS: usize = 256;

/// Where a message was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// What became of the messages of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Numbers of the messages that Kafka did not acknowledge, in order.
    pub failed: Vec<u32>,
    /// The last position acknowledged in each partition.
    pub last: Vec<Position>,
}

/// Which message of which request: what librdkafka carries along, in place of memory of its own for each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) request: u32,
    pub(super) message: u32,
}

/// Requests of which messages are on their way.
#[derive(Debug, Default)]
pub(super) struct InFlight(Slab<Request>);

#[derive(Debug)]
struct Request {
    /// Where it is counted in [`Ages`].
    slot: usize,
    /// How many messages it has, once it has sent its last.
    sent: Option<u32>,
    settled: u32,
    /// Whether nobody waits for the outcome any more.
    is_left: bool,
    outcome: Outcome,
    waker: Option<Waker>,
}

/// How many requests wait for Kafka, by when they began: tells the age of the oldest without a list of them.
#[derive(Debug)]
pub(super) struct Ages {
    start: Instant,
    waiting: [AtomicUsize; SLOTS],
}

impl Tag {
    /// As one number.
    pub(super) const fn pack(self) -> usize {
        const { assert!(usize::BITS >= 64, "two numbers of 32 bits fit") };
        (self.request as usize) << 32 | self.message as usize
    }

    pub(super) const fn unpack(packed: usize) -> Self {
        Self { request: (packed >> 32) as u32, message: packed as u32 }
    }
}

impl InFlight {
    /// Begins a request, counted in a slot of [`Ages`].
    pub(super) fn begin(&mut self, slot: usize) -> u32 {
        let outcome = Outcome::default();
        let key = self.0.insert(Request { slot, sent: None, settled: 0, is_left: false, outcome, waker: None });
        u32::try_from(key).unwrap_or_else(|_| unreachable!("memory ends before four thousand million requests"))
    }

    /// Notes what became of a message: where it is, or that it failed. Whom that ends the waiting of is to be woken.
    #[must_use]
    pub(super) fn settle(&mut self, tag: Tag, at: Option<Position>, ages: &Ages) -> Option<Waker> {
        let request = &mut self.0[tag.request as usize];
        match at {
            Some(at) => request.outcome.stored(at),
            None => request.outcome.failed.push(tag.message),
        }
        request.settled += 1;
        self.look(tag.request, ages)
    }

    /// Notes that a request has sent all its messages.
    #[must_use]
    pub(super) fn sent(&mut self, request: u32, messages: u32, ages: &Ages) -> Option<Waker> {
        self.0[request as usize].sent = Some(messages);
        self.look(request, ages)
    }

    /// Notes that nobody waits for a request that has sent its last.
    pub(super) fn leave(&mut self, request: u32) {
        let left = &mut self.0[request as usize];
        left.is_left = true;
        if left.is_done() {
            self.0.remove(request as usize);
        }
    }

    /// The outcome of a request that is not left, once all its messages have one; ask once only after that.
    pub(super) fn poll(&mut self, request: u32, waker: &Waker) -> Poll<Outcome> {
        let asked = &mut self.0[request as usize];
        if asked.is_done() {
            let mut outcome = std::mem::take(&mut asked.outcome);
            outcome.failed.sort_unstable();
            return Poll::Ready(outcome);
        }
        match &mut asked.waker {
            Some(known) => known.clone_from(waker),
            unknown => *unknown = Some(waker.clone()),
        }
        Poll::Pending
    }

    /// Ends a request that is done.
    fn look(&mut self, number: u32, ages: &Ages) -> Option<Waker> {
        let request = &mut self.0[number as usize];
        if !request.is_done() {
            return None;
        }
        ages.leave(request.slot);
        let waker = request.waker.take();
        if request.is_left {
            self.0.remove(number as usize);
            return None;
        }
        waker
    }
}

impl Request {
    fn is_done(&self) -> bool {
        self.sent == Some(self.settled)
    }
}

impl Outcome {
    fn stored(&mut self, at: Position) {
        match self.last.iter_mut().find(|last| last.partition == at.partition) {
            Some(last) => last.offset = last.offset.max(at.offset),
            None => self.last.push(at),
        }
    }
}

impl Ages {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), waiting: [const { AtomicUsize::new(0) }; SLOTS] }
    }

    fn now(&self) -> usize {
        // Wraps after more years than there are.
        (self.start.elapsed().as_millis() / SLOT.as_millis()) as usize
    }

    /// Counts a request that begins; the slot is where it leaves again.
    pub(super) fn enter(&self) -> usize {
        let slot = self.now() % SLOTS;
        self.waiting[slot].fetch_add(1, Ordering::Relaxed);
        slot
    }

    fn leave(&self, slot: usize) {
        self.waiting[slot].fetch_sub(1, Ordering::Relaxed);
    }

    /// The age of the oldest request, to one slot exactly, and up to [`SLOTS`] of them.
    pub(super) fn oldest(&self) -> Duration {
        let now = self.now();
        let waits = |age: &usize| self.waiting[now.wrapping_sub(*age) % SLOTS].load(Ordering::Relaxed) > 0;
        let oldest = (1..SLOTS.min(now + 1)).rev().find(waits).unwrap_or_default();
        SLOT * u32::try_from(oldest).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, task::Wake};

    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn at(partition: i32, offset: i64) -> Option<Position> {
        Some(Position { partition, offset })
    }

    #[test]
    fn a_tag_is_one_number() {
        for (request, message) in [(0, 0), (1, 2), (u32::MAX, 0), (0, u32::MAX), (u32::MAX, u32::MAX)] {
            assert_eq!(Tag::unpack(Tag { request, message }.pack()), Tag { request, message });
        }
    }

    #[test]
    fn the_last_position_of_each_partition_is_kept_in_whatever_order_they_come() {
        let mut outcome = Outcome::default();
        [at(1, 5), at(0, 7), at(1, 9), at(1, 8)].into_iter().flatten().for_each(|at| outcome.stored(at));
        assert_eq!(outcome.last, [at(1, 9), at(0, 7)].map(Option::unwrap));
    }

    /// A request of a test.
    #[derive(Debug, Clone, Copy)]
    struct Course {
        messages: u32,
        /// Whether it asks once for its outcome and is left then.
        is_left: bool,
    }

    /// What happens to a request.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Settle(u32),
        Sent,
    }

    /// A request on its way, with what is still to happen to it.
    struct Underway {
        at: usize,
        request: u32,
        steps: Vec<Step>,
    }

    fn course() -> impl Strategy<Value = Course> {
        (0u32..5, any::<bool>()).prop_map(|(messages, is_left)| Course { messages, is_left })
    }

    proptest! {
        /// Whoever is first, the request that has sent its last message or the acknowledgements: each request gets its own
        /// outcome, is woken when it has it, and nothing stays behind. Some begin in the places of others that have ended.
        #[test]
        fn each_request_gets_its_own_outcome_and_nothing_stays_behind(
            courses in prop::collection::vec(course(), 1..12),
            failing in prop::collection::hash_set((0usize..12, 0u32..5), 0..15),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 200),
        ) {
            let (ages, mut all) = (Ages::new(), InFlight::default());
            let (mut coming, mut underway, mut ended) = (courses.iter().enumerate(), Vec::<Underway>::new(), 0);
            let woken: Vec<Arc<Woken>> = courses.iter().map(|_| Arc::default()).collect();
            for pick in picks {
                if underway.is_empty() || pick.index(3) == 0 {
                    if let Some((at, course)) = coming.next() {
                        let steps = (0..course.messages).map(Step::Settle).chain([Step::Sent]).collect();
                        underway.push(Underway { at, request: all.begin(ages.enter()), steps });
                    }
                    continue;
                }
                let chosen = pick.index(underway.len());
                let Underway { at, request, steps } = &mut underway[chosen];
                let (at, request, step) = (*at, *request, steps.swap_remove(pick.index(steps.len())));
                let (is_last, course, mut early) = (steps.is_empty(), courses[at], None);
                let to_wake = match step {
                    Step::Settle(message) => {
                        let stored = self::at(0, message.into()).filter(|_| !failing.contains(&(at, message)));
                        all.settle(Tag { request, message }, stored, &ages)
                    }
                    Step::Sent => {
                        prop_assert!(all.sent(request, course.messages, &ages).is_none(), "nobody waits yet");
                        match all.poll(request, &Waker::from(Arc::clone(&woken[at]))) {
                            Poll::Ready(outcome) => early = Some(outcome),
                            Poll::Pending => prop_assert!(!is_last),
                        }
                        if course.is_left {
                            all.leave(request);
                        }
                        None
                    }
                };
                prop_assert_eq!(to_wake.is_some(), is_last && early.is_none() && !course.is_left);
                to_wake.into_iter().for_each(Waker::wake);
                if !is_last {
                    continue;
                }
                underway.swap_remove(chosen);
                ended += 1;
                if course.is_left {
                    continue;
                }
                prop_assert_eq!(woken[at].0.load(Ordering::Relaxed), usize::from(early.is_none()));
                let (failed, stored): (Vec<u32>, Vec<u32>) = (0..course.messages).partition(|m| failing.contains(&(at, *m)));
                let last = stored.last().and_then(|last| self::at(0, (*last).into())).into_iter().collect();
                let outcome = early.map_or_else(|| all.poll(request, Waker::noop()), Poll::Ready);
                prop_assert_eq!(outcome, Poll::Ready(Outcome { failed, last }));
                all.leave(request);
            }
            prop_assert_eq!(ended, courses.len());
            prop_assert!(all.0.is_empty());
            prop_assert!(ages.waiting.iter().all(|waiting| waiting.load(Ordering::Relaxed) == 0));
        }
    }

    #[test]
    fn the_age_of_the_oldest_request_is_known_until_it_is_done() {
        let ages = Ages::new();
        let slot = ages.enter();
        assert_eq!(ages.oldest(), Duration::ZERO);
        std::thread::sleep(3 * SLOT);
        let younger = ages.enter();
        assert!((2 * SLOT..40 * SLOT).contains(&ages.oldest()), "{:?}", ages.oldest());
        ages.leave(slot);
        std::thread::sleep(2 * SLOT);
        assert!(ages.oldest() >= SLOT);
        ages.leave(younger);
        assert_eq!(ages.oldest(), Duration::ZERO);
    }
}
