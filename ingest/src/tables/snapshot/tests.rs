use std::{fs, os::unix::fs::PermissionsExt};

use schemas::{CityProfile, PersonKey};
use serde_json::json;

use super::*;
use crate::tables::{Feeds, HealthRecord, Registration, Venue};

const NOW_MS: i64 = 1_654_056_000_000;

fn person(number: u64) -> PersonKey {
    PersonKey::from_u64(1 << 60 | number).expect("valid")
}

fn origin() -> Origin {
    let categories = vec!["catering".to_owned()];
    Origin { cluster: Some("c".into()), topics: vec!["venues".into()], city: "shanghai".into(), categories }
}

/// Tables of a few venues and people, read up to offset 4 of partition 1 of the health feed.
fn tables() -> Tables {
    let (tables, city) = (Tables::default(), CityProfile::try_built_in("shanghai").expect("valid"));
    for n in 0..20 {
        let venue = json!({"v": 1, "venue": n, "serial": 1, "status": "active", "name": format!("茶馆 {n}"),
            "category": "catering", "district": 310_101, "address": "福州路1号", "door": "东门", "revision": n,
            "organisation": "91310000MA1FL0000N", "valid_from": 1_653_000_000, "valid_until": 1_653_000_000 + n});
        tables.apply_venue(&city, None, Some(venue.to_string().as_bytes())).expect("a venue");
        let health = json!({"v": 1, "person": person(n), "colour": "yellow", "since": 1_653_000_000 + n,
            "issuer": "CDC", "evidence": "E", "reason": "R"});
        tables.apply_health(None, Some(health.to_string().as_bytes()), 77).expect("a colour");
    }
    for n in 0..8 {
        let registration = json!({"v": 1, "person": person(n), "form": if n < 5 { "venue" } else { "freight" },
            "document": "id_card", "registered_at": 1_653_000_000, "guardian": (n < 2).then(|| person(n + 100)),
            "tail": 77 + n, "sealed": "1.a.b"});
        tables.apply_identity(None, Some(registration.to_string().as_bytes())).expect("a registration");
    }
    let test = json!({"v": 1, "person": person(3), "sampled_at": 1_653_000_000, "resulted_at": 1_653_000_000,
        "result": "negative", "laboratory": "L"});
    tables.apply_test(None, Some(test.to_string().as_bytes())).expect("a test");
    tables.seen.resume(&[Mark { table: Table::Health, partition: 1, last: 4, print: 5 }]);
    tables
}

fn ends(low: i64, high: i64) -> Ends {
    Ends::from([((Table::Health, 1), (low, high))])
}

type Known = (Option<Venue>, HealthRecord, Registration, Option<PersonKey>);

fn rows(tables: &Tables) -> Vec<Known> {
    let known = |n| {
        let (venue, who) = (tables.with_venue(n, |venue| venue.cloned()), person(n.into()));
        (venue, tables.health(who), tables.registration(who), tables.guardian(who))
    };
    (0..25).map(known).collect()
}

fn written() -> (tempfile::TempDir, Snapshots) {
    let directory = tempfile::tempdir().expect("a directory");
    let snapshots = Snapshots::open(directory.path(), 12).expect("opened");
    snapshots.write(&tables(), origin(), NOW_MS).expect("written");
    (directory, snapshots)
}

#[test]
fn what_was_written_is_read_and_nobody_else_may_read_it() {
    let (directory, snapshots) = written();
    let read = Tables::default();
    let marks = snapshots.read(&read, &origin(), &ends(0, 5), NOW_MS).expect("fits");
    assert_eq!((marks, rows(&read)), (tables().seen.marks(), rows(&tables())));
    assert_eq!(read.seen.marks(), tables().seen.marks());
    assert_eq!(read.feeds(78_077), Feeds { health_age_s: Some(78), has_tests: true });
    let path = directory.path().join("tables");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(directory.path()).expect("read").count(), 2, "the lock and the snapshot");
}

#[test]
fn it_is_written_again_only_when_there_is_something_new_or_it_gets_old() {
    let (directory, snapshots) = written();
    let path = directory.path().join("tables");
    fs::remove_file(&path).expect("removed");
    let hours = |hours: i64| NOW_MS + hours * MS_PER_HOUR;
    snapshots.write(&tables(), origin(), hours(5)).expect("nothing to do");
    assert!(!path.exists());
    snapshots.write(&tables(), origin(), hours(6)).expect("written");
    assert!(path.exists());
}

#[test]
fn what_does_not_fit_is_left_alone() {
    let (_directory, snapshots) = written();
    let (fit, hour) = (ends(0, 5), MS_PER_HOUR);
    let city = Origin { city: "kaifeng".into(), ..origin() };
    let categories = Origin { categories: vec!["a".into(), "catering".into()], ..origin() };
    let cluster = Origin { cluster: Some("d".into()), ..origin() };
    let topics = Origin { topics: vec!["x-venues".into()], ..origin() };
    let cases = [
        (city, fit.clone(), 0, "another city"),
        (categories, fit.clone(), 0, "another city"),
        (cluster, fit.clone(), 0, "another Kafka"),
        (topics, fit.clone(), 0, "another Kafka"),
        (origin(), ends(0, 4), 0, "does not have message 4"),
        (origin(), ends(5, 9), 0, "does not have message 4"),
        (origin(), Ends::new(), 0, "does not have message 4"),
        (origin(), fit.clone(), 13 * hour, "13 h ago"),
        (origin(), fit, -hour, "-1 h ago"),
    ];
    for (origin, ends, later_ms, said) in cases {
        let read = Tables::default();
        let misfit = snapshots.read(&read, &origin, &ends, NOW_MS + later_ms).expect_err(said).to_string();
        assert!(misfit.contains(said), "{misfit}");
        assert_eq!(rows(&read), rows(&Tables::default()));
    }
}

#[test]
fn a_damaged_snapshot_is_left_alone_wherever_the_damage_is() {
    let (directory, snapshots) = written();
    let path = directory.path().join("tables");
    let whole = fs::read(&path).expect("read");
    let mut broken: Vec<Vec<u8>> = (0..whole.len()).step_by(7).map(|end| whole[..end].to_vec()).collect();
    broken.extend((0..whole.len()).step_by(3).map(|at| {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        flipped
    }));
    broken.push([whole.as_slice(), b"x"].concat());
    for bytes in broken {
        fs::write(&path, &bytes).expect("written");
        let read = Tables::default();
        let misfit = snapshots.read(&read, &origin(), &ends(0, 5), NOW_MS).expect_err("damaged");
        assert!(matches!(misfit, Misfit::Unreadable(_)), "{misfit}");
        assert_eq!(rows(&read), rows(&Tables::default()));
    }
    fs::remove_file(&path).expect("removed");
    let misfit = snapshots.read(&Tables::default(), &origin(), &ends(0, 5), NOW_MS).expect_err("gone");
    assert!(matches!(misfit, Misfit::Absent), "{misfit}");
}
