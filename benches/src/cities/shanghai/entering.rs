//! Who enters in Shanghai: the methods of S0 and S3, and what S3 asks of people.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::CLASSES;
use crate::cities::api::{Api, list};
use crate::cities::door::{GREEN_ONLY, text};
use crate::cities::office::{Office, Venue};
use crate::cities::people::{Person, ago, time};
use crate::cities::sheet::Sheet;

pub(super) async fn methods(office: &Office<'_>, sheet: &mut Sheet) -> anyhow::Result<()> {
    let api = office.api;
    let door = office.issue(&office.form("public_hall", "市图书馆", "淮海路1555号")).await?;
    let found = async {
        let person = api.tested("green").await?;
        Ok(api.scan_own(&door, &person, json!({})).await?.verdict())
    };
    sheet.rule("own-phone", "S0 三", "a person scans the code with the app", "admit", found).await;
    for (id, method, promise) in [
        ("sentinel-code", "sentinel_health_code", "the sentinel scans a person's health code"),
        ("sentinel-card", "sentinel_id_card", "the sentinel reads an identity card"),
    ] {
        let found = async { api.seen(&door, &api.tested("green").await?.person, method).await };
        sheet.rule(id, "S0 三", promise, "admit", found).await;
    }
    let fresh = async |person: Person| {
        let known = api.coloured(person, "green").await?;
        api.sampled(&known.person, ago(60), "negative").await?;
        anyhow::Ok(known.person)
    };
    let by = async |person: Person, method: &str, reason: Option<&str>| {
        let person = fresh(person).await?;
        let more = json!({"method": method, "offline_reason": reason});
        Ok::<_, anyhow::Error>(api.scan(&door, &person, more).await?.verdict())
    };
    let found = async {
        Ok(list([
            by(api.aged(80, 9)?, "manual", None).await?,
            by(api.aged(8, 9)?, "manual", None).await?,
            by(api.adult()?, "manual", Some("no_smartphone")).await?,
            by(api.adult()?, "manual", None).await?,
        ]))
    };
    let promise = "the old, children and whoever has no smartphone are entered by hand, and nobody else";
    sheet.rule("by-hand", "S0 二", promise, "admit, admit, admit, 422 not-eligible offline_reason", found).await;

    let ages = async |years: u32| {
        // The birthday is today, and tomorrow.
        let [had, has_not] = [(years, 0), (years, -1)].map(|(years, days)| api.aged(years, days));
        Ok::<_, anyhow::Error>(list([by(had?, "reverse_scan", None).await?, by(has_not?, "reverse_scan", None).await?]))
    };
    let promise = "staff scan the paper code of minors up to the day before their 18th birthday";
    sheet.rule("minors", "S3 ¶12", promise, "422 not-eligible offline_reason, admit", ages(18)).await;
    let promise = "staff scan the paper code of seniors from their 60th birthday on";
    sheet.rule("seniors", "S3 ¶12", promise, "admit, 422 not-eligible offline_reason", ages(60)).await;
    let found = async {
        let disabled = by(api.adult()?, "reverse_scan", Some("disabled")).await?;
        Ok(list([disabled, by(api.adult()?, "reverse_scan", None).await?]))
    };
    let promise = "staff scan the paper code of disabled people with a certificate, not of other adults";
    sheet.rule("disabled", "S3 ¶12", promise, "admit, 422 not-eligible offline_reason", found).await;

    let expected = "manual, reverse_scan, sentinel_health_code, sentinel_id_card, venue_code";
    let promise = "whichever way it is made, a scan is registered";
    sheet.rule("registered", "S3 ¶10", promise, expected, api.methods_at(&door, 5)).await;

    let found = async {
        let venue = office.issue(&office.form("tourist_attraction", "豫园", "安仁街137号")).await?;
        let (known, after) = (api.tested("green").await?, api.tested("green").await?);
        let again = json!({"event_id": "018f0000-0000-7000-8000-000000000001"});
        let mut receipts = Vec::new();
        for _ in 0..2 {
            let answer = api.scan(&venue, &known.person, again.clone()).await?.ok()?;
            receipts.push(text(&answer, "/receipt")?.to_owned());
        }
        receipts.dedup();
        api.answered(&venue, &after).await?;
        // Scans are stored in order: what came before the last one is there when it is.
        api.visits(after.key, 1).await?;
        Ok(format!("{} receipt, {}", receipts.len(), api.visits_of_scans(known.key, &venue, 2).await?))
    };
    let promise = "a scan has a receipt, and sent again it is still one";
    sheet.rule("receipt", "S3 ¶10, ours", promise, "1 receipt, 1 scans, 1 visits", found).await;

    let found = async {
        let venue = office.issue(&office.form("farmers_market", "福州菜场", "福州路13号")).await?;
        let known = api.tested("green").await?;
        for (method, minutes) in [("venue_code", 3), ("sentinel_id_card", 1)] {
            let more = json!({"method": method, "scanned_at": time(ago(minutes))});
            api.scan(&venue, &known.person, more).await?.ok()?;
        }
        api.visits_of_scans(known.key, &venue, 2).await
    };
    let promise = "at one point code or sentinel, not both: who was scanned by both was there once";
    sheet.rule("either-or", "S3 ¶11", promise, "2 scans, 1 visits", found).await;
    Ok(())
}

pub(super) async fn admission(api: &Api, (shop, compound): (&Venue, &Venue), sheet: &mut Sheet) {
    let promise = "public places take a green code and nothing else";
    sheet.rule("green-code", "S3 ¶5", promise, GREEN_ONLY, api.by_colour(shop)).await;
    let sampled = async |minutes: i64, result: &str| {
        let person = api.coloured(api.adult()?, "green").await?.person;
        api.sampled(&person, ago(minutes), result).await?;
        api.seen(shop, &person, "venue_code").await
    };
    let found = async {
        let untested = api.coloured(api.adult()?, "green").await?.person;
        let [just, late] = [sampled(48 * 60 - 1, "negative").await?, sampled(48 * 60 + 1, "negative").await?];
        let positive = sampled(60, "positive").await?;
        Ok(list([just, late, positive, api.seen(shop, &untested, "venue_code").await?]))
    };
    let promise = "public places ask for a negative test sampled within 48 hours";
    let expected = "admit, refuse test_too_old, refuse test_positive, refuse test_missing";
    sheet.rule("48-hours", "S3 ¶5", promise, expected, found).await;
    let found = async {
        let mut admitted = Vec::new();
        for (place, venue) in [("public", shop), ("compound", compound)] {
            for colour in ["green", "yellow", "red", "expired", "unknown"] {
                for (test, hours) in [("fresh", Some(1)), ("old", Some(72)), ("none", None)] {
                    let person = somebody(api, colour, hours).await?;
                    if api.seen(venue, &person, "venue_code").await? == "admit" {
                        admitted.push(format!("{place} {colour} {test}"));
                    }
                }
            }
        }
        Ok(list(admitted))
    };
    let promise = "of every colour with every test none but these enter";
    let expected = "public green fresh, compound green fresh, compound green old, compound green none";
    sheet.rule("all-cases", "S3 ¶5", promise, expected, found).await;
    let found = async {
        let untested = async |colour: &str| {
            let person = api.coloured(api.adult()?, colour).await?.person;
            api.seen(compound, &person, "venue_code").await
        };
        Ok(list([untested("green").await?, untested("yellow").await?, untested("red").await?]))
    };
    let promise = "residential compounds take a green code alone";
    sheet.rule("compounds", "S3 ¶5", promise, "admit, refuse colour_yellow, refuse colour_red", found).await;
    let found = async {
        let untested = api.coloured(api.adult()?, "green").await?.person;
        let mut verdicts = Vec::new();
        for exemption in ["urgent_medical", "other"] {
            verdicts.push(api.scan(shop, &untested, json!({"exemption": exemption})).await?.verdict());
        }
        let red = api.tested("red").await?.person;
        verdicts.push(api.scan(shop, &red, json!({"exemption": "urgent_medical"})).await?.verdict());
        Ok(list(verdicts))
    };
    let promise = "urgent medical care and other special cases are excepted; not from red (our reading)";
    let expected = "admit test_missing exempted, admit test_missing exempted, refuse colour_red";
    sheet.rule("exemptions", "S3 ¶5", promise, expected, found).await;
    let found = async {
        let since: DateTime<Utc> = "2022-01-01T00:00:00Z".parse()?;
        let untested = api.coloured_between(api.adult()?, "green", (since, None)).await?.person;
        let mut verdicts = Vec::new();
        for last_hour in ["2022-05-22T23:59:59+08:00", "2022-05-23T00:00:00+08:00"] {
            verdicts.push(api.scan(shop, &untested, json!({"scanned_at": last_hour})).await?.verdict());
        }
        Ok(list(verdicts))
    };
    let promise = "the test is asked for from 23 May 2022 on, and was not before";
    sheet.rule("from-the-day", "S0, S3 ¶5", promise, "admit, refuse test_missing", found).await;
}

pub(super) async fn every_class(api: &Api, classes: &[Venue], sheet: &mut Sheet) {
    let found = async {
        let mut admitted = Vec::new();
        for ((id, _), venue) in CLASSES.iter().zip(classes) {
            if api.seen(venue, &somebody(api, "green", None).await?, "venue_code").await? == "admit" {
                admitted.push((*id).to_owned());
            }
        }
        Ok(list(admitted))
    };
    let promise = "of all classes residential compounds alone ask for no test";
    sheet.rule("every-class", "S3 ¶5, ¶9", promise, "residential_compound", found).await;
}

/// An adult with a code of this colour or none, and a negative test sampled so many hours ago or none.
async fn somebody(api: &Api, colour: &str, sampled_hours_ago: Option<i64>) -> anyhow::Result<Person> {
    let person = match colour {
        "unknown" => api.adult()?,
        "expired" => api.coloured_between(api.adult()?, "green", (ago(9000), Some(ago(60)))).await?.person,
        colour => api.coloured(api.adult()?, colour).await?.person,
    };
    if let Some(hours) = sampled_hours_ago {
        api.sampled(&person, ago(hours * 60), "negative").await?;
    }
    Ok(person)
}
pub(super) async fn answer(api: &Api, shop: &Venue, sheet: &mut Sheet) {
    let sampled_at = ago(7 * 60);
    let found = async {
        let known = api.coloured(api.adult()?, "green").await?;
        api.sampled(&known.person, sampled_at, "negative").await?;
        let answer = api.answered(shop, &known).await?;
        let parts = ["/colour", "/venue/name", "/venue/address", "/last_test/sampled_at", "/last_test/result"];
        Ok(parts.map(|part| text(&answer, part).unwrap_or("nothing")).join(" "))
    };
    let promise = "the page shows colour, name and address of the place, and time and result of the last test";
    let expected = format!("green 蜀香园 福州路5号 {} negative", time(sampled_at));
    sheet.rule("page", "S3 ¶10, S0 01", promise, &expected, found).await;
    sheet
        .rule("voice", "S3 ¶10", "the colour is spoken, in Chinese and English", "绿码、黄码、红码", api.spoken(shop))
        .await;
}
