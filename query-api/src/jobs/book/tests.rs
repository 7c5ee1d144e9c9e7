use schemas::KeyRing;

use super::*;
use crate::jobs::id::JobKey;

type Jobs = Book<u8, String>;

fn book(change: impl FnOnce(&mut Limits)) -> Jobs {
    let mut limits = Limits { running: 1, waiting: 10, each: 3, bytes: 100, keep_ms: 1000 };
    change(&mut limits);
    Book::new(limits)
}

fn ask(book: &mut Jobs, account: &str, now_ms: i64) -> Result<JobId, QueryError> {
    let ring = KeyRing::try_parse(&format!("1:{}", "a".repeat(64))).expect("a key");
    let id = JobKey::derived_from(&ring, 1).sign(book.next_number(), account);
    book.ask(id, account.to_owned(), 0, CancellationToken::new(), now_ms).map(|()| id)
}

fn done(bytes: usize) -> Outcome<String> {
    Outcome::Done { answer: Arc::new("answer".to_owned()), bytes, until_ms: i64::MAX }
}

fn end(book: &mut Jobs, id: JobId, outcome: Outcome<String>, now_ms: i64) -> Option<&'static str> {
    book.end(id, outcome, now_ms).map(|state| state.as_str())
}

fn state(book: &Jobs, id: JobId, now_ms: i64) -> &'static str {
    book.job(id, now_ms).map_or("gone", |job| job.state.as_str())
}

#[test]
fn a_job_waits_runs_is_done_and_expires() {
    let mut book = book(|_| {});
    let (first, second) = (ask(&mut book, "li", 0).expect("room"), ask(&mut book, "li", 0).expect("room"));
    assert_eq!(book.start(5).map(|(id, _)| id), Some(first));
    assert!(book.start(5).is_none(), "one at a time");
    assert_eq!((state(&book, first, 5), state(&book, second, 5)), ("running", "waiting"));
    assert_eq!(end(&mut book, first, done(50), 10), Some("done"));
    assert_eq!(book.counts(), Counts { waiting: 1, running: 0, bytes: 50 });
    assert_eq!((state(&book, first, 1009), state(&book, first, 1010)), ("done", "gone"), "to the millisecond");
    assert_eq!((book.sweep(1009), book.sweep(1010)), (0, 1));
    assert_eq!(book.counts().bytes, 0);
    assert_eq!(state(&book, second, 1_000_000), "waiting", "what has not ended does not expire");
}

#[test]
fn a_result_is_kept_no_longer_than_what_it_is_made_of() {
    let mut book = book(|_| {});
    let id = ask(&mut book, "li", 0).expect("room");
    assert!(book.start(5).is_some());
    let answer = Arc::new("answer".to_owned());
    assert_eq!(end(&mut book, id, Outcome::Done { answer, bytes: 1, until_ms: 500 }, 10), Some("done"));
    assert_eq!((state(&book, id, 499), state(&book, id, 500)), ("done", "gone"));
}

#[test]
fn one_account_has_so_many_and_no_more_and_failures_give_way() {
    let mut book = book(|limits| limits.waiting = 5);
    let ids: Vec<_> = (0..3).map(|_| ask(&mut book, "li", 0).expect("room")).collect();
    assert!(matches!(ask(&mut book, "li", 0), Err(QueryError::TooManyJobs)));
    for _ in 0..2 {
        ask(&mut book, "wu", 0).expect("room");
    }
    assert!(matches!(ask(&mut book, "he", 0), Err(QueryError::JobsFull)));
    assert_eq!(book.start(0).map(|(id, _)| id), Some(ids[0]));
    assert_eq!(end(&mut book, ids[0], Outcome::Failed(QueryError::Aborted), 1), Some("failed"));
    let fourth = ask(&mut book, "li", 2).expect("room");
    assert_eq!((state(&book, ids[0], 2), state(&book, fourth, 2)), ("gone", "waiting"));
}

#[test]
fn whoever_cancels_gets_no_answer_and_the_slot_is_free_when_the_work_has_stopped() {
    let mut book = book(|_| {});
    let (first, second) = (ask(&mut book, "li", 0).expect("room"), ask(&mut book, "wu", 0).expect("room"));
    let (_, job) = book.start(0).expect("a turn");
    assert!(book.cancel(first, 1) && job.stop.is_cancelled());
    assert!(book.start(1).is_none(), "its query still runs");
    assert_eq!(end(&mut book, first, done(10), 2), None, "done in the same moment");
    assert_eq!((state(&book, first, 2), book.counts().bytes), ("cancelled", 0));
    assert!(!book.cancel(first, 3), "once");
    assert_eq!(book.start(3).map(|(id, _)| id), Some(second));
    assert_eq!(end(&mut book, second, done(10), 4), Some("done"));
    assert!(book.cancel(second, 5));
    assert_eq!((state(&book, second, 5), book.counts().bytes), ("cancelled", 0), "a result can be thrown away");
    let third = ask(&mut book, "li", 6).expect("room");
    assert!(book.cancel(third, 7) && book.start(8).is_none(), "one that waits never begins");
    assert_eq!(state(&book, third, 7 + 1000), "gone");
}

#[test]
fn a_cancelled_job_whose_work_has_not_stopped_does_not_give_way() {
    let mut book = book(|limits| limits.each = 1);
    let first = ask(&mut book, "li", 0).expect("room");
    assert!(book.start(0).is_some() && book.cancel(first, 1));
    assert!(matches!(ask(&mut book, "li", 2), Err(QueryError::TooManyJobs)), "its slot would be lost");
    let other = ask(&mut book, "wu", 2).expect("room");
    assert!(book.start(2).is_none(), "its query still runs");
    assert_eq!(end(&mut book, first, Outcome::Cancelled, 3), None);
    assert_eq!(book.start(3).map(|(id, _)| id), Some(other));
    ask(&mut book, "li", 4).expect("room");
    assert_eq!(state(&book, first, 4), "gone", "now it does");
}

#[test]
fn an_account_has_half_of_the_room_and_is_told_whose_results_are_in_the_way() {
    let mut book = book(|limits| limits.each = 10);
    for (account, bytes, lack) in [
        ("li", 51, Some(NoRoom::Alone)),
        ("li", 30, None),
        ("li", 21, Some(NoRoom::BesideOwn)),
        ("li", 20, None),
        ("wu", 40, None),
        ("he", 11, Some(NoRoom::BesideOthers)),
        ("he", 10, None),
    ] {
        let id = ask(&mut book, account, 0).expect("room");
        assert!(book.start(0).is_some());
        let told = match book.end(id, done(bytes), 1) {
            Some(State::Failed(error)) => match *error {
                QueryError::ResultsFull(lack) => Some(lack),
                _ => panic!("{error}"),
            },
            _ => None,
        };
        assert_eq!(told, lack, "{account} {bytes}");
    }
    assert_eq!(book.counts().bytes, 100);
}

#[test]
fn a_job_that_takes_until_its_scans_are_past_fails() {
    let mut book = book(|_| {});
    let id = ask(&mut book, "li", 0).expect("room");
    assert!(book.start(5).is_some());
    let answer = Arc::new("answer".to_owned());
    let ended = book.end(id, Outcome::Done { answer, bytes: 1, until_ms: 10 }, 10);
    assert!(matches!(ended, Some(State::Failed(error)) if matches!(*error, QueryError::PastJob)));
    assert_eq!((state(&book, id, 11), book.counts().bytes), ("failed", 0));
}

#[test]
fn results_that_are_thrown_away_have_failed_and_free_their_room() {
    let mut book = book(|limits| limits.each = 10);
    let ids = ["li", "wu", "he"].map(|account| ask(&mut book, account, 0).expect("room"));
    for (id, text) in ids.into_iter().zip(["old", "new"]) {
        assert!(book.start(0).is_some());
        book.end(id, Outcome::Done { answer: Arc::new(text.to_owned()), bytes: 10, until_ms: i64::MAX }, 1);
    }
    book.drop_results(|answer| answer == "old", || QueryError::OutdatedJob);
    assert_eq!(ids.map(|id| state(&book, id, 1)), ["failed", "done", "waiting"]);
    assert_eq!(book.counts().bytes, 10);
}
