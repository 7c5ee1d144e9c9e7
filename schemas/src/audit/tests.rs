//! Whatever is done to the log is found, and what is whole passes.

use proptest::prelude::*;

use super::*;
use crate::events::AuditAnchor;

const THEN_MS: i64 = 1_653_000_000_000;

fn ring(text: &str) -> KeyRing {
    let key = |line: &str| format!("{line}{}\n", line.replace(':', "").repeat(64));
    KeyRing::try_parse(&text.split_whitespace().map(key).collect::<String>()).expect("keys")
}

fn read(number: u64) -> AuditRead {
    let text = |text: &str| text.to_owned();
    AuditRead {
        account: text("li"),
        role: text("epidemiologist"),
        district: 310_101,
        route: text("POST /v1/traces"),
        release_id: Uuid::from_u128(9),
        case_number: text("C-1"),
        case_kind: text("confirmed"),
        evidence: text("E-1"),
        purpose: text("contact_tracing"),
        persons: vec![1 << 60 | number],
        venues: vec![7],
        depth: 0,
        window_minutes: 30,
        from_s: 1,
        to_s: 2,
        reached: vec![u64::MAX, 3],
        reached_depths: vec![1, 2],
        scans: number,
    }
}

fn chain(id: u128, entries: u64) -> Vec<AuditEntry> {
    chain_by(&ring("1:"), id, entries)
}

fn chain_by(keys: &KeyRing, id: u128, entries: u64) -> Vec<AuditEntry> {
    let mut chain = Chain::new(Uuid::from_u128(id), Arc::new(keys.clone()));
    (0..entries).map(|number| chain.append(THEN_MS, read(number))).collect()
}

fn anchor(entry: &AuditEntry) -> AuditAnchor {
    AuditAnchor::new(entry.chain, entry.sequence, entry.hash.clone(), THEN_MS)
}

/// What is found in entries, which come in the order of chain and number, at a time.
fn find(keys: &KeyRing, entries: &[AuditEntry], anchors: &[AuditAnchor], now_ms: i64) -> Finding {
    let mut verification = Verification::new(keys, anchors.iter().cloned(), now_ms);
    entries.iter().for_each(|entry| verification.see(entry));
    verification.finish()
}

/// The same soon after they were written; the chain, the entry and what is wrong, of each fault.
fn faults(entries: &[AuditEntry], anchors: &[AuditAnchor]) -> Vec<(u128, u64, Wrong)> {
    let found = find(&ring("1:"), entries, anchors, THEN_MS);
    found.faults.into_iter().map(|fault| (fault.chain.as_u128(), fault.sequence, fault.what)).collect()
}

/// How many chains and entries there are, if nothing is wrong.
fn verify(entries: &[AuditEntry], anchors: &[AuditAnchor]) -> Result<(u64, u64), Vec<Fault>> {
    let Finding { chains, entries, faults } = find(&ring("1:"), entries, anchors, THEN_MS);
    if faults.is_empty() { Ok((chains, entries)) } else { Err(faults) }
}

fn log() -> (Vec<AuditEntry>, Vec<AuditAnchor>) {
    let entries = [chain(1, 5), chain(2, 3)].concat();
    let anchors = [2, 4, 7].map(|number: usize| anchor(&entries[number])).to_vec();
    (entries, anchors)
}

#[test]
fn a_whole_log_passes_with_anchors_and_without_and_after_being_stored() {
    let (entries, anchors) = log();
    assert_eq!(verify(&entries, &anchors), Ok((2, 8)));
    assert_eq!(verify(&entries, &[anchors.clone(), anchors.clone()].concat()), Ok((2, 8)));
    assert_eq!(verify(&entries, &[]), Ok((2, 8)));
    assert_eq!(verify(&[], &[]), Ok((0, 0)));
    let stored: Vec<String> = entries.iter().map(|e| serde_json::to_string(e).expect("serialises")).collect();
    let read: Vec<AuditEntry> = stored.iter().map(|text| serde_json::from_str(text).expect("reads")).collect();
    assert_eq!(verify(&read, &anchors), Ok((2, 8)), "numbers beyond 2^53 are kept");
}

#[test]
fn each_kind_of_tampering_is_found_where_it_was_done() {
    let (entries, anchors) = log();
    let after = |tamper: fn(&mut Vec<AuditEntry>)| {
        let mut entries = entries.clone();
        tamper(&mut entries);
        match faults(&entries, &anchors)[..] {
            [fault] => fault,
            ref faults => panic!("expected one fault: {faults:?}"),
        }
    };
    assert_eq!(after(|all| all[1].read.purpose = "correction".to_owned()), (1, 2, Wrong::Changed));
    assert_eq!(after(|all| drop(all.remove(1))), (1, 2, Wrong::Removed));
    assert_eq!(after(|all| drop(all.remove(0))), (1, 1, Wrong::Removed));
    assert_eq!(after(|all| all.insert(1, all[1].clone())), (1, 2, Wrong::Doubled));
    assert_eq!(after(|all| all.swap(1, 2)), (1, 2, Wrong::Removed));
    let renumbered = |all: &mut Vec<AuditEntry>| {
        (all[1].sequence, all[2].sequence) = (3, 2);
        all.swap(1, 2);
    };
    assert_eq!(after(renumbered), (1, 2, Wrong::Changed));
    // With a hash that fits again.
    let rewritten = |all: &mut Vec<AuditEntry>| {
        all[1].read.account.push('x');
        all[1].hash = all[1].digest(&ring("1:")).expect("a key");
    };
    assert_eq!(after(rewritten), (1, 3, Wrong::Unlinked));
    assert_eq!(after(|all| all.truncate(7)), (2, 3, Wrong::CutOff));
    assert_eq!(after(|all| drop(all.remove(4))), (1, 5, Wrong::CutOff));
    assert_eq!(after(|all| all.truncate(5)), (2, 1, Wrong::Gone));
    assert_eq!(after(|all| drop(all.drain(..5))), (1, 1, Wrong::Gone));
    let none = [(1, 1, Wrong::Gone), (2, 1, Wrong::Gone)];
    assert_eq!(faults(&[], &anchors), none, "each chain that is gone");
    let last_rewritten = |all: &mut Vec<AuditEntry>| {
        all[7].read.scans += 1;
        all[7].hash = all[7].digest(&ring("1:")).expect("a key");
    };
    assert_eq!(after(last_rewritten), (2, 3, Wrong::NotAsAnchored));
    let written_anew = |all: &mut Vec<AuditEntry>| {
        all.truncate(5);
        let mut anew = Chain::new(Uuid::from_u128(2), Arc::new(ring("1:")));
        all.extend((0..3).map(|number| anew.append(THEN_MS + 1, read(number))));
    };
    assert_eq!(after(written_anew), (2, 3, Wrong::NotAsAnchored));
    let mut forged = anchors.clone();
    forged.push(AuditAnchor { hash: "00".to_owned(), ..forged[0].clone() });
    assert!(verify(&entries, &forged).is_err(), "two anchors of one entry");
}

#[test]
fn every_chain_that_is_faulty_is_named_once() {
    let mut entries = [chain(1, 3), chain(2, 3), chain(3, 3), chain(4, 3)].concat();
    let anchors = [2, 5, 8, 11].map(|number: usize| anchor(&entries[number])).to_vec();
    entries[1].read.scans += 1;
    entries[2].read.scans += 1;
    entries.remove(10);
    entries.drain(6..9);
    let found = faults(&entries, &anchors);
    assert_eq!(found, [(1, 2, Wrong::Changed), (4, 2, Wrong::Removed), (3, 1, Wrong::Gone)]);
}

#[test]
fn a_chain_that_somebody_without_the_key_has_made_is_found() {
    let (own, theirs) = (ring("1:"), ring("2:"));
    let mut forged = chain_by(&theirs, 7, 2);
    assert_eq!(faults(&forged, &[anchor(&forged[1])]), [(7, 1, Wrong::UnknownKey)]);
    forged.iter_mut().for_each(|entry| entry.key_version = 1);
    assert_eq!(faults(&forged, &[]), [(7, 1, Wrong::Changed)]);
    // What was written before the key was changed still passes, with the old key in the ring.
    let both = [chain_by(&own, 1, 2), chain_by(&ring("1: 2:"), 2, 2)].concat();
    assert_eq!(find(&ring("1: 2:"), &both, &[], THEN_MS).faults, []);
    assert_eq!(find(&own, &both, &[], THEN_MS).faults.len(), 1);
    assert_eq!((both[1].key_version, both[3].key_version), (1, 2));
}

#[test]
fn what_was_never_anchored_is_found_when_it_is_old() {
    let (entries, late) = (chain(1, 3), THEN_MS + UNANCHORED_AFTER_MS + 1);
    let after = |anchors: &[AuditAnchor], now_ms| {
        let found = find(&ring("1:"), &entries, anchors, now_ms).faults;
        found.first().map(|fault| (fault.sequence, fault.what))
    };
    assert_eq!(after(&[], late - 1), None);
    assert_eq!(after(&[], late), Some((1, Wrong::Unanchored)));
    assert_eq!(after(&[anchor(&entries[1])], late), Some((3, Wrong::Unanchored)));
    assert_eq!(after(&[anchor(&entries[2])], late), None, "an anchor covers what comes before");
}

proptest! {
    #[test]
    fn every_field_is_in_the_hash(at in 0usize..5, field in 0usize..23) {
        let mut entries = chain(1, 5);
        let mut fields = serde_json::to_value(&entries[at]).expect("serialises");
        let fields = fields.as_object_mut().expect("an object");
        let name = fields.keys().filter(|name| *name != "hash").nth(field).expect("a field").clone();
        let changed = match &fields[&name] {
            serde_json::Value::Number(number) => serde_json::json!(number.as_u64().unwrap_or_default() + 1),
            serde_json::Value::Array(_) => serde_json::json!([4]),
            _ if name.ends_with("_id") || name == "chain" => serde_json::json!(Uuid::from_u128(77)),
            _ => serde_json::json!("other"),
        };
        fields.insert(name, changed);
        entries[at] = serde_json::from_value(serde_json::Value::Object(fields.clone())).expect("reads");
        prop_assert!(entries[at].digest(&ring("1: 2:")).as_ref() != Some(&entries[at].hash));
        prop_assert!(verify(&entries, &[]).is_err());
    }

    #[test]
    fn leaving_out_any_entries_is_found(kept in prop::collection::vec(any::<bool>(), 8)) {
        let (entries, anchors) = log();
        let left: Vec<_> = entries.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(entry, _)| entry.clone()).collect();
        prop_assert_eq!(verify(&left, &anchors).is_ok(), kept.iter().all(|kept| *kept));
    }
}
