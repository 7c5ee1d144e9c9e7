//! Reminding whoever has no code, or one that nobody scans (S4: article 3.1).

use schemas::access::Role;
use serde_json::{Value, json};

use crate::cities::api::{Api, Caller, list};
use crate::cities::door::text;
use crate::cities::office::Office;
use crate::cities::people::ago;
use crate::cities::sheet::Sheet;

use super::{KAIFENG, LONGTING, SHUNHE};

pub(super) async fn reminding(office: &Office<'_>, sheet: &mut Sheet) -> anyhow::Result<()> {
    let api = office.api;
    let (without_code, bystander) = (office.other(KAIFENG, 21), office.other(KAIFENG, 22));
    let of_organisation = |matter: &str| json!({"matter": matter, "organisation": without_code.organisation, "deadline": tomorrow(), "note": "限期整改"});

    let found = async {
        let mut shown = Vec::new();
        for matter in ["no_code", "no_freight_code"] {
            let path = api.remind(&of_organisation(matter)).await?;
            let reminder = api.soon(&without_code.operator(), &path, |_| true).await?;
            shown.push(format!("{} {}", text(&reminder, "/matter_name/zh")?, text(&reminder, "/state")?));
        }
        Ok(list(shown))
    };
    let promise = "who should have set up a code of either kind and has not is reminded";
    let expected = "应设未设场所码 sent, 应设未设专属场所码 sent";
    sheet.rule("reminded", "S4 3.1", promise, expected, found).await;

    let venue = office.issue(&office.form("restaurant", "鼎新楼", "鼓楼街9号")).await?;
    let path = api.remind(&json!({"matter": "no_scans", "venue": venue.number, "deadline": tomorrow()})).await?;
    let found = async {
        let mended = json!({"reply": "mended", "note": "已重新张贴"});
        api.post(&office.operator(), &format!("{path}/answer"), &mended).await?.ok()?;
        let answered = api.soon(&regulator(), &path, |reminder| reminder["state"] == "answered").await?;
        let reply = text(&answered, "/reply_name/zh")?.to_owned();
        Ok(format!("{reply}, {}", api.settled(&path, "mended").await?))
    };
    let promise = "it is seen to that what was reminded of is mended";
    sheet.rule("mended", "S4 3.1", promise, "已整改, settled 整改到位", found).await;

    let found = async {
        let mut told = Vec::new();
        for outcome in ["not_mended", "interviewed", "criticised", "prosecuted"] {
            let path =
                api.remind(&json!({"matter": "not_checked", "venue": venue.number, "deadline": tomorrow()})).await?;
            let reminder = api.soon(&regulator(), &path, |_| true).await?;
            told.push(format!("{} {}", reminder["times"], api.settled(&path, outcome).await?));
        }
        Ok(list(told))
    };
    let promise = "who is reminded again and again is called in, criticised, prosecuted";
    let expected =
        "1 settled 整改不到位，再次提醒, 2 settled 约谈相关负责人, 3 settled 通报批评, 4 settled 依法依规追究法律责任";
    sheet.rule("reminded-again", "S4 3.1", promise, expected, found).await;

    let found = async {
        let path = api.remind(&of_organisation("no_code")).await?;
        let again = api.soon(&regulator(), &path, |_| true).await?;
        let refused = text(&again, "/history/0/refused")?.to_owned();
        let mut told = vec![refused];
        for caller in [without_code.operator(), bystander.operator(), Caller::regulator(SHUNHE)] {
            told.push(api.ask(&caller, &path).await?.outcome());
        }
        Ok(list(told))
    };
    let promise = "nobody is reminded of the same twice at a time, and nobody else is told";
    let expected = "already_open, 404 unknown-reminder id, 404 unknown-reminder id, 403 out-of-scope id";
    sheet.rule("reminded-once", "S4 3.1", promise, expected, found).await;

    let everybody = Caller::everybody("1123456789abcdef".parse()?, &office.organisation, LONGTING);
    let promise = "the authorities of the place, and who is reminded, see reminders";
    let who = api.who_may(&everybody, "/v1/reminders");
    sheet.rule("who-reminds", "S4 3.1", promise, "operator, district, regulator", who).await;
    Ok(())
}

/// A regulator of the district where everything here is.
fn regulator() -> Caller {
    Caller::regulator(LONGTING)
}

/// The day after today, in China.
fn tomorrow() -> String {
    // Eight hours ahead of UTC, and a day.
    ago(-(8 + 24) * 60).format("%Y-%m-%d").to_string()
}

impl Api {
    /// Reminds an organisation, and gives where that can be followed.
    async fn remind(&self, reminder: &Value) -> anyhow::Result<String> {
        let answer = self.post(&regulator(), "/v1/reminders", reminder).await?.ok()?;
        Ok(text(&answer, "/follow")?.to_owned())
    }

    /// Settles a reminder, and gives its state and what came of it.
    async fn settled(&self, path: &str, outcome: &str) -> anyhow::Result<String> {
        self.post(&Caller::of(Role::Regulator), &format!("{path}/settle"), &json!({"outcome": outcome})).await?.ok()?;
        let reminder = self.soon(&regulator(), path, |reminder| reminder["state"] == "settled").await?;
        Ok(format!("{} {}", text(&reminder, "/state")?, text(&reminder, "/outcome_name/zh")?))
    }
}
