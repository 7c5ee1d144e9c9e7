//! Who applies in Shanghai, how, for how many codes, and what becomes of it (S0).

use serde_json::json;

use super::SHANGHAI;
use crate::cities::api::{list, with};
use crate::cities::office::{Office, state};
use crate::cities::sheet::Sheet;

pub(super) async fn applicants(office: &Office<'_>, sheet: &mut Sheet) {
    let form = |name: &str| office.form("catering", name, "西藏路1号");
    let found = async {
        let mut outcomes = Vec::new();
        for kind in ["government", "public_service", "company", "sole_trader", "other"] {
            let changed = json!({"credit_code": office.organisation, "name": "测试单位", "kind": kind});
            let form = with(&form(kind), &json!({"organisation": changed}));
            outcomes.push(office.apply(&form).await?.outcome());
        }
        Ok(list(outcomes))
    };
    let expected = "taken, taken, taken, taken, 422 invalid-field organisation.kind";
    let promise = "government, public services, firms and sole traders may apply, and no others";
    sheet.rule("organisations", "S0 04", promise, expected, found).await;

    let found = async {
        let elsewhere = office.other(110_000, 1);
        Ok(elsewhere.apply(&elsewhere.form("catering", "京味楼", "西藏路3号")).await?.outcome())
    };
    let promise = "who is not registered in Shanghai gets no code";
    sheet.rule("registered-here", "S0 04", promise, "422 invalid-field organisation.credit_code", found).await;

    let found = async {
        let mut mistyped = office.organisation.clone();
        let last = mistyped.pop();
        mistyped.push(if last == Some('0') { '1' } else { '0' });
        let organisation = json!({"credit_code": mistyped, "name": "测试单位", "kind": "company"});
        let form = with(&form("错码"), &json!({"organisation": organisation}));
        // Sent as the reviewed organisation's: a wrong code is refused before it is anybody's.
        Ok(office.apply(&form).await?.outcome())
    };
    let promise = "a credit code with a wrong check character (GB 32100) is none";
    sheet.rule("credit-code", "S0 04", promise, "422 invalid-field organisation.credit_code", found).await;

    let by = async |channel: &'static str, applicants: [&'static str; 3]| {
        let mut outcomes = Vec::new();
        for applicant in applicants {
            let office = office.by(channel, applicant);
            let form = office.form("catering", &format!("{channel} {applicant}"), "西藏路5号");
            outcomes.push(office.apply(&form).await?.outcome());
        }
        anyhow::Ok(list(outcomes))
    };
    let who = ["legal_person", "agent", "employee"];
    let promise = "by phone the legal person or an authorised agent applies";
    let expected = "taken, taken, 422 invalid-field applicant.kind";
    sheet.rule("by-phone", "S0 05.1", promise, expected, by("mobile", who)).await;
    let promise = "on the platform the legal person or staff apply";
    let expected = "taken, 422 invalid-field applicant.kind, taken";
    sheet.rule("on-the-platform", "S0 05.3", promise, expected, by("portal", who)).await;
}

pub(super) async fn review(office: &Office<'_>, sheet: &mut Sheet) {
    let found = async {
        let (path, submitted) = office.decided(&office.form("catering", "审核茶馆", "四川路1号")).await?;
        let before = format!("{}, code {}", state(&submitted), submitted["code"]);
        let approved = office.approve(&path).await?;
        let has_code = if approved["code"].is_string() { "a code" } else { "none" };
        Ok(format!("{before}; {}, {has_code}", state(&approved)))
    };
    let expected = "submitted, code null; approved, a code";
    sheet
        .rule("review", "S0 05.2", "an application is reviewed, and its code there once approved", expected, found)
        .await;

    let firm = office.other(SHANGHAI, 2);
    let found = async {
        let (mut paths, mut states) = (Vec::new(), Vec::new());
        for nth in 1..=21 {
            paths.push(firm.submit(&firm.form("catering", &format!("{nth}号店"), &format!("淮海路{nth}号"))).await?);
        }
        for path in &paths {
            states.push(state(&firm.followed(path).await?));
        }
        let submitted = states.iter().filter(|state| *state == "submitted").count();
        Ok(format!("{submitted} submitted, the last one {}", states.last().cloned().unwrap_or_default()))
    };
    let promise = "by phone an organisation gets 20 codes, and not a 21st";
    sheet.rule("quota", "S0 05 注", promise, "20 submitted, the last one rejected quota", found).await;
    let portal = firm.by("portal", "employee");
    let found = async { portal.state(&portal.form("catering", "21号店", "淮海路21号")).await };
    sheet.rule("more-codes", "S0 05 注", "whoever needs more applies on the platform", "submitted", found).await;

    let firm = office.other(SHANGHAI, 3);
    let found = async {
        let [one, two] = [firm.api.tested("green").await?.key, firm.api.tested("green").await?.key];
        for (nth, person) in [one, one, two].iter().enumerate() {
            let applicant = json!({"kind": "agent", "person": person.to_string()});
            let form = firm.form("catering", &format!("记录{nth}"), &format!("延安路{nth}号"));
            firm.decided(&with(&form, &json!({"applicant": applicant}))).await?;
        }
        let mut counts = Vec::new();
        for path in ["/v1/applications?applicant=me", "/v1/applications?organisation=me"] {
            let answer = firm.api.ask(&firm.operator().in_person(one), path).await?.ok()?;
            counts.push(answer["applications"].as_array().map_or(0, Vec::len).to_string());
        }
        Ok(list(counts))
    };
    let promise = "\"my records\" are one's own two, and the organisation's three";
    sheet.rule("records", "S0 05.3", promise, "2, 3", found).await;
}
