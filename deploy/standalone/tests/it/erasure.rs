//! A person who has left traces by every door is erased by two accounts: no answer knows them any more, a replay brings
//! nothing back, no byte of them is left on the disk but what the signed report says is kept, and they may come anew.

mod city;
mod knowledge;
mod lorry;
mod stores;

use anyhow::{Context, ensure};
use schemas::{Document, DocumentType, PersonKey};
use serde_json::{Value, json};

use crate::privacy::search::{Needles, Storage, files};
use crate::privacy::secrets::{ID_CARD, SECRETS};
use crate::stack::Stack;
use crate::support::eventually;
use city::City;
use knowledge::Knowledge;

/// What an erasure does not touch, and its report says so.
const KEPT: [&str; 2] = ["audit_log", "releases"];
/// Of the city whose venues and forms the doors are of, and with a second account for the second red code.
const FLAGS: [&str; 4] = ["--city", "kaifeng", "--query-log", "true"];
const ENVIRONMENT: [(&str, &str); 2] = [("VENUECODE_LOG", "debug"), ("VENUECODE_BULK_CHANGES", "1")];

#[test]
fn an_erased_person_is_nowhere_and_does_not_come_back() -> anyhow::Result<()> {
    let mut stack = Stack::start_with_environment(&FLAGS, &ENVIRONMENT)?;
    let person = PersonKey::derive(&stack.person_keys()?, &Document::try_new(DocumentType::IdCard, ID_CARD)?);
    let needles = Needles::new(&SECRETS).with_person(person);
    let (old_messages, lorry) = {
        let city = City::try_new(&stack, person)?;
        city.forget_old_parts_at_once()?;
        city.leave_traces()?;
        let lorry = city.lorry_that_has_entered()?;
        let known = city.knowledge()?;
        ensure!(known.of_person.values().all(|count| *count > 0), "not by every door: {:?}", known.of_person);
        let live = Storage::try_new(&stack)?.everything()?;
        for place in ["scans", "health", "tests", "identities", "alerts", "trips", "dead-letters", "health-proposals"] {
            let place = format!("topic {place}");
            ensure!(live.iter().any(|(at, bytes)| *at == place && !needles.find(bytes).is_empty()), "not on {place}");
        }
        let files = files(stack.data.path())?;
        ensure!(files.iter().any(|(at, bytes)| at.starts_with("kafka/") && !needles.find(bytes).is_empty()));

        let old_messages = city.messages_about_the_person()?;
        let job = city.traced_by_a_job()?;
        let report = city.erase()?;
        check_report(&report)?;
        city.has_no_result(&job)?;
        city.no_statement_names(&needles)?;
        city.letters_stay()?;
        // A copy, as another gateway's spool or a replay would bring it.
        city.send_again(&old_messages)?;
        let left = city.knowledge()?;
        ensure!(left.has_lost_only_the_person(&known), "{left:?} of {known:?}");
        city.no_table_has(&needles, &KEPT)?;
        (old_messages, lorry)
    };

    stack.restart_with(&FLAGS, &ENVIRONMENT)?;
    let city = City::try_new(&stack, person)?;
    city.no_table_has(&needles, &KEPT)?;
    for (place, bytes) in Storage::try_new(&stack)?.everything()? {
        let is_kept = KEPT.iter().any(|kept| place.ends_with(&format!(".{kept}")));
        ensure!(is_kept || needles.find(&bytes).is_empty(), "{place}: {:?}", needles.find(&bytes));
    }
    ensure!(city.knowledge()?.of_person == Knowledge::none(), "{:?}", city.knowledge()?);
    let kept = city.folders_of(&KEPT)?;
    stack.stop()?;
    for (path, bytes) in files(stack.data.path())? {
        let is_kept = kept.iter().any(|folder| path.starts_with(folder.as_str()));
        ensure!(is_kept || needles.find(&bytes).is_empty(), "{path}: {:?}", needles.find(&bytes));
    }

    stack.restart_with(&FLAGS, &ENVIRONMENT)?;
    let city = City::try_new(&stack, person)?;
    city.arrives_unnoticed(&lorry)?;
    city.send_again(&old_messages)?;
    let answer = city.scan_anew()?;
    ensure!(answer["colour"] == "unknown", "a colour of before: {answer}");
    eventually("what comes after to count", || {
        (city.knowledge().ok()?.of_person.get("scans").copied() == Some(1)).then_some(())
    })
}

/// What the report says is what the code promises.
fn check_report(claims: &Value) -> anyhow::Result<()> {
    let tables = claims["removed"].as_array().context("no tables")?;
    for name in ["scans_by_venue", "scans_by_person", "scan_ids", "alerts", "trips", "health_changes", "identities"] {
        let rows = tables.iter().find(|removed| removed["table"] == name).map(|removed| removed["rows"].as_u64());
        ensure!(rows.flatten().is_some_and(|rows| rows > 0), "{name}: {claims}");
    }
    let kept: Vec<_> = claims["kept"].as_array().context("nothing kept")?.iter().map(|kept| &kept["table"]).collect();
    for name in KEPT {
        ensure!(kept.contains(&&json!(name)), "{name}: {claims}");
    }
    let remains = claims["remains"].as_array().context("no remains")?;
    ensure!(remains.iter().any(|remains| remains["topic"] == "scans" && remains["until"].is_i64()), "{claims}");
    Ok(())
}
