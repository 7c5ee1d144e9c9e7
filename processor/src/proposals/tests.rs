//! Bulk changes: who may release what, when, and that nothing else comes of any mix of records.

use proptest::prelude::*;
use schemas::{Colour, PersonKey, events::ProposalState};
use serde_json::Value;

use super::*;

const START_MS: i64 = 1_654_056_000_000;
const HOUR_MS: i64 = 3_600_000;

fn change(number: u64) -> HealthEvent {
    let text = |text: &str| text.to_owned();
    HealthEvent {
        v: 1,
        person: PersonKey::from_u64(1 << 60 | number).expect("valid"),
        colour: if number.is_multiple_of(2) { Colour::Red } else { Colour::Yellow },
        since: START_MS / 1000 - 60,
        expires_at: None,
        issuer: text("CDC"),
        evidence: text("E-1"),
        reason: text("contact"),
        sent_by: Some(text("maker")),
        release: None,
        newest: None,
    }
}

fn changes(count: u64) -> Vec<HealthEvent> {
    (0..count).map(change).collect()
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn event(proposal: Uuid, at_ms: i64, action: ProposalAction) -> ProposalEvent {
    ProposalEvent { v: 1, proposal, at_ms, action }
}

fn part(proposal: Uuid, part: u32, changes: Vec<HealthEvent>) -> ProposalEvent {
    event(proposal, START_MS, ProposalAction::Part { part, changes })
}

fn propose(proposal: Uuid, parts: u32, all: &[HealthEvent]) -> ProposalEvent {
    let (digest, expires_at_ms) = (ProposalEvent::digest(all), START_MS + HOUR_MS);
    event(proposal, START_MS, ProposalAction::Propose { parts, digest, expires_at_ms, by: "maker".to_owned() })
}

fn release(proposal: Uuid, command: u128, by: &str, all: &[HealthEvent], at_ms: i64) -> ProposalEvent {
    let digest = ProposalEvent::digest(all);
    event(proposal, at_ms, ProposalAction::Release { command: id(command), digest, by: by.to_owned() })
}

/// Applies events as records of a log.
struct Fold {
    machine: Proposals,
    offset: u64,
}

impl Fold {
    fn new(max_waiting: usize) -> Self {
        Self { machine: Proposals::new("health", max_waiting, None), offset: 0 }
    }

    fn apply(&mut self, event: &ProposalEvent) -> Result<Outputs, String> {
        let (key, value) = (event.proposal.to_string(), serde_json::to_vec(event).expect("serialises"));
        self.offset += 1;
        self.machine.apply(&Record { offset: self.offset, sent_at_ms: 0, key: key.as_bytes(), value: &value })
    }

    /// Colours set, and what the row says was refused.
    fn outcome(&mut self, event: &ProposalEvent) -> (usize, String) {
        let outputs = self.apply(event).expect("applies");
        let refused = outputs.rows.first().map_or_else(String::new, |row| {
            let row: Value = serde_json::from_slice(&row.json).expect("JSON");
            row["refused"].as_str().expect("a word").to_owned()
        });
        (outputs.messages.len(), refused)
    }
}

fn proposed(all: &[HealthEvent]) -> Fold {
    let mut fold = Fold::new(1000);
    assert_eq!(fold.apply(&part(id(1), 0, all[..1].to_vec())), Ok(Outputs::default()));
    assert_eq!(fold.apply(&part(id(1), 1, all[1..].to_vec())), Ok(Outputs::default()));
    assert_eq!(fold.outcome(&propose(id(1), 2, all)), (0, String::new()));
    fold
}

#[test]
fn another_account_with_the_same_changes_releases_them_once() {
    let all = changes(3);
    let mut fold = proposed(&all);
    let mut backwards = all.clone();
    backwards.reverse();
    let outputs = fold.apply(&release(id(1), 9, "checker", &backwards, START_MS + 1)).expect("applies");
    let sent: Vec<HealthEvent> =
        outputs.messages.iter().map(|m| HealthEvent::try_parse(&m.value).expect("a change")).collect();
    assert_eq!(outputs.messages.iter().map(|m| m.topic.as_str()).collect::<Vec<_>>(), ["health"; 3]);
    for (message, (sent, made)) in outputs.messages.iter().zip(sent.iter().zip(&all)) {
        assert_eq!(message.key, sent.person.to_string());
        assert_eq!(HealthEvent { release: None, ..sent.clone() }, *made, "nothing else of it changes");
        let release = sent.release.as_ref().expect("a release");
        assert_eq!((release.proposal, release.by.as_str()), (id(1), "checker"));
    }
    let row: Value = serde_json::from_slice(&outputs.rows[0].json).expect("JSON");
    assert_eq!(
        (&row["state"], &row["made_by"], &row["released_by"]),
        (&"released".into(), &"maker".into(), &"checker".into())
    );
    assert_eq!((&row["changes"], &row["yellow"], &row["red"]), (&3.into(), &1.into(), &2.into()));
    assert_eq!(fold.machine.waiting(), 0);
    assert_eq!(fold.outcome(&release(id(1), 9, "checker", &all, START_MS + 2)), (0, String::new()), "sent again");
    let again = fold.outcome(&release(id(1), 10, "third", &all, START_MS + 2));
    assert_eq!(again, (0, "already_released".to_owned()));
}

#[test]
fn its_maker_or_other_changes_or_too_late_a_release_sets_no_colour() {
    let all = changes(3);
    let refused = |by, changes: &[HealthEvent], at_ms| proposed(&all).outcome(&release(id(1), 9, by, changes, at_ms));
    assert_eq!(refused("maker", &all, START_MS), (0, "own_proposal".to_owned()));
    assert_eq!(refused("checker", &all[..2], START_MS), (0, "other_changes".to_owned()));
    assert_eq!(refused("checker", &all, START_MS + HOUR_MS), (0, "expired".to_owned()));
    assert_eq!(refused("checker", &all, START_MS + HOUR_MS - 1), (3, String::new()), "the last moment");
    let mut fold = proposed(&all);
    fold.outcome(&release(id(1), 9, "maker", &all, START_MS));
    assert_eq!(
        fold.outcome(&release(id(1), 10, "checker", &all, START_MS)),
        (3, String::new()),
        "a refusal ends nothing"
    );
}

#[test]
fn parts_alone_and_parts_that_are_not_all_there_mean_nothing() {
    let all = changes(3);
    let mut fold = Fold::new(1000);
    fold.apply(&part(id(1), 0, all[..1].to_vec())).expect("applies");
    assert!(
        fold.apply(&release(id(1), 9, "checker", &all, START_MS)).expect_err("not proposed").contains("`proposal`")
    );
    assert!(fold.apply(&propose(id(1), 2, &all)).expect_err("a part is missing").contains("`parts`"));
    assert!(fold.apply(&propose(id(1), 1, &all)).expect_err("other changes").contains("`digest`"));
    assert!(fold.apply(&propose(id(2), 1, &all)).expect_err("no parts").contains("`proposal`"));
    fold.apply(&part(id(1), 1, all[1..].to_vec())).expect("applies");
    assert_eq!(fold.outcome(&propose(id(1), 2, &all)), (0, String::new()));
    assert_eq!(fold.machine.waiting(), 3);
}

#[test]
fn what_waits_is_bounded_and_let_go_of_when_its_time_is_over() {
    let all = changes(3);
    let mut fold = Fold::new(4);
    for (proposal, refused) in [(1, ""), (2, "too_many_waiting")] {
        fold.apply(&part(id(proposal), 0, all.clone())).expect("applies");
        assert_eq!(fold.outcome(&propose(id(proposal), 1, &all)), (0, refused.to_owned()));
    }
    assert_eq!(fold.outcome(&release(id(2), 9, "checker", &all, START_MS)), (0, "too_many_waiting".to_owned()));
    assert_eq!(fold.machine.waiting(), 3);
    let later = |action| event(id(3), START_MS + HOUR_MS, action);
    fold.apply(&later(ProposalAction::Part { part: 0, changes: all.clone() })).expect("applies");
    assert_eq!(fold.machine.waiting(), 3, "the first has made room");
    let late_clock = release(id(1), 10, "checker", &all, START_MS);
    assert_eq!(fold.outcome(&late_clock), (0, "expired".to_owned()));
    let much_later = event(id(4), START_MS + 32 * 24 * HOUR_MS, ProposalAction::Part { part: 0, changes: Vec::new() });
    fold.apply(&much_later).expect("applies");
    assert_eq!((fold.machine.waiting(), fold.machine.case(id(1)).is_some()), (0, false));
}

#[derive(Debug, Clone)]
enum Step {
    Part(u128, u32),
    Propose(u128),
    Release(u128, u128, u8, bool, i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3u128, 0..2u32).prop_map(|(proposal, part)| Step::Part(proposal, part)),
        (0..3u128).prop_map(Step::Propose),
        (0..3u128, 0..9u128, 0..3u8, any::<bool>(), 0..2 * HOUR_MS)
            .prop_map(|(proposal, command, by, same, after)| Step::Release(proposal, command, by, same, after)),
    ]
}

proptest! {
    /// Whatever is sent, in whatever order and however often: colours are set once for a proposal, by an account that is
    /// not its maker, in time, and with the same changes; and the machine keeps account of what it holds.
    #[test]
    fn no_mix_of_records_sets_a_colour_otherwise(steps in prop::collection::vec(step(), 0..60)) {
        let (all, mut fold, mut released) = (changes(4), Fold::new(7), Vec::new());
        for step in steps {
            let record = match step {
                Step::Part(proposal, number) => part(id(proposal), number, all[number as usize * 2..][..2].to_vec()),
                Step::Propose(proposal) => propose(id(proposal), 2, &all),
                Step::Release(proposal, command, by, same, after) => {
                    let by = ["maker", "checker", "third"][usize::from(by)];
                    release(id(proposal), command, by, if same { &all } else { &all[..3] }, START_MS + after)
                }
            };
            let messages = fold.apply(&record).map_or(0, |outputs| outputs.messages.len());
            if messages > 0 {
                let ProposalAction::Release { by, digest, .. } = &record.action else { panic!("no release") };
                prop_assert_eq!((messages, digest), (4, &ProposalEvent::digest(&all)));
                prop_assert!(by != "maker" && record.at_ms < START_MS + HOUR_MS);
                prop_assert!(!released.contains(&record.proposal), "twice");
                prop_assert_eq!(fold.machine.case(record.proposal).and_then(Case::state), Some(ProposalState::Released));
                released.push(record.proposal);
            }
            let held: usize = fold.machine.cases.values().map(Case::held).sum();
            prop_assert_eq!(fold.machine.waiting(), held);
            prop_assert!(held <= 7);
        }
    }
}

#[test]
fn what_can_still_be_released_waits_since_it_was_made() {
    let mut fold = Fold::new(1000);
    let all = changes(3);
    let waiting = |fold: &Fold, now_ms| gauges::waiting(fold.machine.cases.values(), now_ms);
    fold.apply(&part(id(1), 0, all.clone())).expect("applies");
    assert_eq!(waiting(&fold, START_MS), (0, None), "nobody has proposed it yet");
    fold.apply(&propose(id(1), 1, &all)).expect("applies");
    fold.apply(&part(id(2), 0, all.clone())).expect("applies");
    let later = ProposalEvent { at_ms: START_MS + 1000, ..propose(id(2), 1, &all) };
    fold.apply(&later).expect("applies");
    assert_eq!(waiting(&fold, START_MS + 2000), (2, Some(START_MS)));
    assert_eq!(waiting(&fold, START_MS + HOUR_MS), (0, None), "both have expired by the clock");
    fold.apply(&release(id(1), 1, "maker", &all, START_MS + 2000)).expect("applies");
    assert_eq!(waiting(&fold, START_MS + 2000).0, 2, "a refusal changes nothing");
    fold.apply(&release(id(1), 2, "checker", &all, START_MS + 3000)).expect("applies");
    assert_eq!(waiting(&fold, START_MS + 3000), (1, Some(START_MS + 1000)));
}
