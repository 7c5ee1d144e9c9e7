//! What people fill in at their first scan in Kaifeng, and who fills it in for them (S4: article 2.1, questions 05 and 08).

use schemas::access::Role;
use serde_json::{Value, json};

use crate::cities::api::{Api, Caller, list, with};
use crate::cities::office::Venue;
use crate::cities::people::{Known, Person};
use crate::cities::sheet::Sheet;

/// S4, question 05.
const VENUE_FORM: &str = "姓名、身份证号、住址信息、是否到过疫情严重地区、是否接触过疑似病人、体温是否正常";
const FREIGHT_FORM: &str = "姓名、证件号、车牌号、手机号、来源地、入豫地、预计返豫时间、预计离豫时间、\
    是否有发热、咳嗽症状、是否到过中高风险地区";

fn answers(person: &Person) -> Value {
    json!({"name": "赵敏", "document": person.document(), "address": "开封市龙亭区中山路9号", "severe_area": false,
        "contact": false, "temperature": true})
}

/// Registers somebody with their own phone.
pub(super) async fn register(api: &Api, known: &Known, form: &str, answers: &Value) -> anyhow::Result<Value> {
    let body = json!({"form": form, "answers": answers});
    api.post(&Caller::citizen(known.key), "/v1/people", &body).await?.ok()
}

pub(super) async fn registering(api: &Api, shop: &Venue, sheet: &mut Sheet) {
    let asked = async |form: &str| {
        let forms = api.look_up(&Caller::of(Role::Device), "/v1/forms").await?.ok()?;
        let fields = forms[form]["fields"].as_array().cloned().unwrap_or_default();
        let labels: Vec<_> = fields.iter().filter_map(|field| field["label"]["zh"].as_str()).collect();
        anyhow::Ok(labels.join("、"))
    };
    sheet.rule("venue-form", "S4 05", "what the venue code asks", VENUE_FORM, asked("venue")).await;
    sheet.rule("freight-form", "S4 05", "what the freight code asks", FREIGHT_FORM, asked("freight")).await;

    let found = async {
        let known = api.tested("green").await?;
        let first = api.scan_own(shop, &known, json!({})).await?.verdict();
        register(api, &known, "venue", &answers(&known.person)).await?;
        let mut later = Vec::new();
        for _ in 0..2 {
            later.push(api.scan_own(shop, &known, json!({"last_four": known.person.last_four()})).await?.verdict());
        }
        Ok(format!("{first}; {}", list(later)))
    };
    let promise = "the first scan asks for the details, later ones for the last four of the ID number";
    sheet.rule("first-scan", "S4 2.1, 05", promise, "409 registration-required; admit, admit", found).await;

    let found = async {
        let known = api.tested("green").await?;
        register(api, &known, "venue", &answers(&known.person)).await?;
        Ok(api.scan_own(shop, &known, json!({"last_four": known.person.last_four()})).await?.verdict())
    };
    let promise = "the details can be given before the first visit";
    sheet.rule("ahead", "S4 3.2", promise, "admit", found).await;

    let found = async {
        let known = api.tested("green").await?;
        register(api, &known, "venue", &answers(&known.person)).await?;
        let wrong = if known.person.last_four() == "0000" { "0001" } else { "0000" };
        let scans = [json!({}), json!({"last_four": wrong})];
        let mut verdicts = Vec::new();
        for scan in scans {
            verdicts.push(api.scan_own(shop, &known, scan).await?.verdict());
        }
        Ok(list(verdicts))
    };
    let promise = "without the last four, or with wrong ones, nobody passes";
    let expected = "422 missing-field last_four, 422 wrong-last-four last_four";
    sheet.rule("last-four", "S4 05", promise, expected, found).await;

    let found = async {
        let known = api.tested("green").await?;
        let form = answers(&known.person);
        let mut outcomes = Vec::new();
        for change in
            [json!({"document": known.person.mistyped_document()}), json!({"name": null}), json!({"address": null})]
        {
            let body = json!({"form": "venue", "answers": with(&form, &change)});
            outcomes.push(api.post(&Caller::citizen(known.key), "/v1/people", &body).await?.outcome());
        }
        Ok(list(outcomes))
    };
    let promise = "what is wrong or left out is named; ID numbers are checked (GB 11643)";
    let expected = "422 invalid-field answers.document.number, 422 missing-field answers.name, \
        422 missing-field answers.address";
    sheet.rule("truthful", "S4 05", promise, expected, found).await;

    let found = async {
        let known = api.tested("green").await?;
        let sick = with(&answers(&known.person), &json!({"temperature": false}));
        let declares = register(api, &known, "venue", &sick).await?["declares"].clone();
        let scan = json!({"last_four": known.person.last_four(), "symptoms": true});
        Ok(format!("declares {declares}; {}", api.scan_own(shop, &known, scan).await?.verdict()))
    };
    let promise = "who has no normal temperature does not pass";
    sheet.rule("temperature", "S4 05", promise, r#"declares ["symptoms"]; refuse symptoms"#, found).await;

    let found = async {
        let known = api.tested("green").await?;
        let answer = register(api, &known, "venue", &answers(&known.person)).await?.to_string();
        Ok(format!("{} of 2", ["赵敏", "中山路9号"].iter().filter(|part| answer.contains(**part)).count()))
    };
    let promise = "what was filled in is not shown again";
    sheet.rule("sealed", "S4 05", promise, "0 of 2", found).await;
}

pub(super) async fn by_others(api: &Api, shop: &Venue, sheet: &mut Sheet) {
    let found = async {
        let (guardian, stranger) = (api.tested("green").await?, api.tested("green").await?);
        let child = api.coloured(api.aged(6, 50)?, "green").await?;
        let body = json!({"answers": answers(&child.person), "offline_reason": "child"});
        let path = format!("/v1/people/{}/dependants", guardian.key);
        api.post(&Caller::citizen(guardian.key), &path, &body).await?.ok()?;
        let scan = json!({"document": child.person.document(), "method": "manual", "offline_reason": "child"});
        let mut verdicts = Vec::new();
        for who in [&guardian, &stranger] {
            verdicts.push(api.scan_own(shop, who, scan.clone()).await?.verdict());
        }
        Ok(list(verdicts))
    };
    let promise = "a guardian registers a child and enters it by hand; a stranger cannot";
    sheet.rule("guardian", "S4 2.1, 08", promise, "admit, 403 out-of-scope document", found).await;
    let found = async {
        let manual = async |reason: Option<&str>| {
            let person = api.tested("green").await?.person;
            let more = json!({"method": "manual", "offline_reason": reason});
            anyhow::Ok(api.scan(shop, &person, more).await?.verdict())
        };
        Ok(list([manual(Some("elderly")).await?, manual(Some("no_smartphone")).await?, manual(None).await?]))
    };
    let promise = "staff enter the old and whoever cannot scan by hand, and nobody else";
    sheet.rule("by-hand", "S4 2.1, 08", promise, "admit, admit, 422 not-eligible offline_reason", found).await;
}
