//! What is hard to believe about a scan: flagged in answers, and nothing else.

use std::fs;

use schemas::{Colour, ScanRow, Verdict};
use serde_json::{Value, json};

use crate::city::{City, person, range, scan};

/// Shanghai with opening hours and other bounds.
fn profile(hours: &str, bounds: &str) -> tempfile::NamedTempFile {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/cities/shanghai.toml");
    let text = fs::read_to_string(path).expect("the profile");
    let class = "dwell_minutes = 60, dwell_cap_minutes = 240 }";
    assert!(text.contains(class) && text.contains("\n[application]\n"));
    let text = text.replace(class, &class.replace(" }", &format!("{hours} }}")));
    let text = text.replace("\n[application]\n", &format!("\n[plausibility]\n{bounds}\n[application]\n"));
    let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
    fs::write(file.path(), text).expect("written");
    file
}

async fn place(city: &City, venue: u32, latitude: f64, longitude: f64) {
    let sql = "INSERT INTO venues (venue_id, name, category, district, address, door, organisation, active, latitude, \
               longitude, version) VALUES ({venue:UInt32}, 'x', 'retail', 310101, '', '', '', true, {latitude:Float64}, \
               {longitude:Float64}, 1)";
    let query = city.client().query(sql).param("venue", venue).param("latitude", latitude);
    query.param("longitude", longitude).execute().await.expect("the venue is stored");
}

fn without_flags(answer: &Value) -> Value {
    let mut answer = answer.clone();
    for visit in answer["visits"].as_array_mut().expect("a list") {
        visit.as_object_mut().expect("an object").remove("flags");
    }
    answer
}

#[tokio::test]
async fn what_is_hard_to_believe_is_flagged_and_nothing_is_dropped_or_recoloured() {
    const MORNING: i64 = 8 * 3600;
    let city = City::new().await;
    place(&city, 1, 31.2397, 121.4900).await;
    place(&city, 2, 30.2464, 120.1819).await;
    let at_catering = |venue, after_s| ScanRow { category: "catering".to_owned(), ..scan(1, venue, after_s) };
    let red = |row| ScanRow { verdict: Verdict::Refuse, colour: Colour::Red, colour_shown: Colour::Red, ..row };
    let mut rows = vec![
        at_catering(1, MORNING - 1), // before the range: closed, and the place that the next one is far from
        red(at_catering(2, MORNING)), // another city, a second later
        at_catering(1, MORNING + 7_200), // and two hours later back
        at_catering(1, 23 * 3600),   // closed
        ScanRow { far_from_venue: true, ..at_catering(1, MORNING + 10_800) }, // the gateway found the phone elsewhere
    ];
    // Five venues within a minute, where four are believed.
    rows.extend((11..=15).map(|venue| at_catering(venue, MORNING + 9_000 + i64::from(venue))));
    city.store(&rows).await;

    let strict = profile(
        ", opening_hours = { opens = \"08:00:00\", closes = \"22:00:00\" }",
        "max_km_per_hour = 400\nburst_venues = 4\nburst_minutes = 1",
    );
    let api = city.api_with(&["--city", &strict.path().display().to_string()]).await;
    let path = format!("/v1/persons/{}/visits?{}", person(1), range(MORNING, 24 * 3600));
    let answer = api.ok(&path).await;
    let flags: Vec<(&Value, &Value)> =
        answer["visits"].as_array().expect("a list").iter().map(|visit| (&visit["venue"], &visit["flags"])).collect();
    let (none, burst) = (json!([]), json!(["burst"]));
    let (travel, closed) = (json!(["impossible_travel"]), json!(["outside_opening_hours"]));
    let far = json!(["far_from_venue"]);
    let burst_and_after = [(11, &none), (12, &none), (13, &none), (14, &none), (15, &burst), (1, &far), (1, &closed)];
    let expected = [(2, &travel), (1, &none)].into_iter().chain(burst_and_after);
    let expected: Vec<(Value, &Value)> = expected.map(|(venue, flags)| (json!(venue), flags)).collect();
    assert_eq!(flags, expected.iter().map(|(venue, flags)| (venue, *flags)).collect::<Vec<_>>());
    let colours: Vec<_> =
        answer["visits"].as_array().expect("a list").iter().map(|v| (&v["verdict"], &v["colour"])).collect();
    assert_eq!(colours[0], (&json!("refuse"), &json!("red")));
    assert!(colours[1..].iter().all(|shown| *shown == (&json!("admit"), &json!("green"))));

    let trace = json!({"person": person(1).to_string(), "from": "2022-05-23T00:00:00+08:00", "to": "2022-05-24T00:00:00+08:00"});
    let trace = api.trace(trace).await;
    assert_eq!(trace["visits"][0]["flags"], closed, "the whole day has the one before as well");
    assert_eq!(trace["visits"][1]["flags"], travel);

    let lenient = profile("", "max_km_per_hour = 5000\ntravel_slack_m = 100000\nburst_venues = 10000");
    let other = city.api_with(&["--city", &lenient.path().display().to_string()]).await.ok(&path).await;
    assert_eq!(without_flags(&other), without_flags(&answer), "a flag changes nothing else");
}
