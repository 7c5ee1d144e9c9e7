use schemas::access::{Role, Scope};
use serde_json::{Value, json};

use super::*;
use crate::{fields::read, scope::tests::claims};

/// 2022-06-01, one minute before midnight in China.
const NOW_MS: i64 = 1_654_099_140_000;
const CODE: &str = "91310000MA1FL0000N";

/// What is sent with a token for a district: the event, or the field that is wrong.
fn sent(district: Option<u32>, body: &Value) -> Result<ReminderEvent, String> {
    let city = CityProfile::try_built_in("kaifeng").expect("built in");
    let sender = claims(Role::Regulator, Scope { district, ..Scope::default() });
    let look_up = |venue| match venue {
        7 => Ok(Owned { district: 410_202, organisation: Some(CODE.to_owned()) }),
        8 => Ok(Owned { district: 410_202, organisation: None }),
        _ => Err(IngestError::UnknownVenue { field: "venue" }),
    };
    let body = body.to_string();
    let event =
        read::<ReminderRequest<'_>>(body.as_bytes()).and_then(|request| request.check(&sender, &city, look_up, NOW_MS));
    event.map_err(|error| error.problem().field.unwrap_or_default())
}

fn changed(changes: &Value) -> Value {
    let mut body = json!({"matter": "no_code", "organisation": CODE, "district": 410_202, "deadline": "2022-06-10"});
    for (name, value) in changes.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

#[test]
fn a_reminder_is_due_when_its_day_is_over_in_the_city() {
    let due = |deadline: &str| {
        sent(None, &changed(&json!({"deadline": deadline}))).map(|event| match event.action {
            ReminderAction::Send(sending) => sending.due_at - NOW_MS / 1000,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(due("2022-06-01"), Ok(60), "today, for a minute more");
    assert_eq!(due("2022-06-02"), Ok(60 + DAY_S));
    assert_eq!(due("2022-08-30"), Ok(60 + 90 * DAY_S));
    for wrong in ["2022-05-31", "2022-08-31", "2022-6-10", "2022-02-30", "+022-06-10", "", "2022-06-10T00:00:00Z"] {
        assert_eq!(due(wrong), Err("deadline".to_owned()), "{wrong}");
    }
}

#[test]
fn whom_it_is_about_follows_from_the_matter() {
    let about = |changes: &Value| {
        sent(None, &changed(changes)).map(|event| match event.action {
            ReminderAction::Send(sending) => (event.district, sending.organisation, sending.venue),
            other => panic!("{other:?}"),
        })
    };
    let code = || CODE.to_owned();
    assert_eq!(about(&json!({})), Ok((410_202, code(), None)));
    let of_venue = json!({"matter": "no_scans", "organisation": null, "district": null, "venue": 7});
    assert_eq!(about(&of_venue), Ok((410_202, code(), Some(7))));
    for (changes, field) in [
        (json!({"venue": 7}), "venue"),
        (json!({"organisation": null}), "organisation"),
        (json!({"organisation": "91310000MA1FL00000"}), "organisation"),
        (json!({"district": null}), "district"),
        (json!({"district": 4102}), "district"),
        (json!({"matter": "no_scans", "district": null, "venue": 7}), "organisation"),
        (json!({"matter": "no_scans", "organisation": null, "venue": 7}), "district"),
        (json!({"matter": "no_scans", "organisation": null, "district": null}), "venue"),
        (json!({"matter": "no_scans", "organisation": null, "district": null, "venue": 8}), "venue"),
        (json!({"matter": "no_scans", "organisation": null, "district": null, "venue": 9}), "venue"),
        (json!({"matter": "no_manners"}), "matter"),
        (json!({"note": "找13800000000"}), "note"),
    ] {
        assert_eq!(about(&changes), Err(field.to_owned()), "{changes}");
    }
}

#[test]
fn an_office_reminds_within_its_own_district() {
    let district = |own, changes: &Value| sent(own, &changed(changes)).map(|event| event.district);
    assert_eq!(district(Some(410_202), &json!({"district": null})), Ok(410_202), "the token says it");
    assert_eq!(district(Some(4102), &json!({})), Ok(410_202));
    assert_eq!(district(Some(4102), &json!({"district": null})), Err("district".to_owned()), "of which one?");
    assert_eq!(district(Some(410_203), &json!({})), Err("district".to_owned()));
    let of_venue = json!({"matter": "not_checked", "organisation": null, "district": null, "venue": 7});
    assert_eq!(district(Some(410_202), &of_venue), Ok(410_202));
    assert_eq!(district(Some(410_203), &of_venue), Err("venue".to_owned()));
}
