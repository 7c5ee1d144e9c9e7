use super::*;

fn instance(says: Says) -> Instance {
    let ask = Ask::Trace(Value::Null);
    Instance { whole: ask.clone(), ask, sql: None, says }
}

#[test]
fn an_answer_comes_to_what_it_lists() -> anyhow::Result<()> {
    let visits = json!({"truncated": false, "visits": [{"venue": 3, "scanned_at": "1970-01-01T00:00:07Z"}]});
    assert_eq!(instance(Says::Visits).said(&visits)?, Some([1, 100, 0]));
    let contacts = json!({"truncated": false, "contacts": [
        {"person": "1000000000000007", "encounters": [{}, {}]}, {"person": "1000000000000008", "encounters": [{}]}]});
    let keys = ((1u64 << 60) + 7) % MODULUS + ((1u64 << 60) + 8) % MODULUS;
    assert_eq!(instance(Says::Contacts).said(&contacts)?, Some([2, 3, keys]));
    assert_eq!(instance(Says::People).said(&contacts)?, Some([2, 0, keys]));
    let cut = json!({"truncated": true, "contacts": []});
    assert_eq!(instance(Says::Contacts).said(&cut)?, None, "what was cut off is not compared");
    assert!(instance(Says::Venues).said(&contacts).is_err());
    Ok(())
}

#[test]
fn all_polls_but_those_of_estimates_are_asked_of_others_too() {
    let screen = Screen {
        fortnight: 0..14 * DAY_S,
        day: 0..DAY_S,
        hour: 0..3_600,
        district: 310_101,
        category: "catering".to_owned(),
        venue: 1,
    };
    let alone: Vec<_> = polls(&screen).into_iter().filter(|poll| of_poll(poll.name, &screen).is_none()).collect();
    assert!(alone.iter().all(|poll| poll.name.contains("people of a fortnight")), "{alone:?}");
    assert_eq!(alone.len(), 2);
}
