//! Kaifeng (S4): details at the first scan, the last four characters later, and a code of its own for lorries.

mod applying;
mod freight;
mod registering;
mod reminding;

use serde_json::{Value, json};

use super::api::{Api, list};
use super::door::{GREEN_ONLY, text};
use super::office::{Office, Venue};
use super::page::page;
use super::people::{ago, time};
use super::sheet::Sheet;

/// Kaifeng's own code of GB/T 2260, and two of its districts.
const KAIFENG: u32 = 410_200;
const LONGTING: u32 = 410_202;
const SHUNHE: u32 = 410_203;

pub(super) async fn day(api: &Api, sheet: &mut Sheet) -> anyhow::Result<()> {
    let office = Office::new(api, KAIFENG, "manager", LONGTING);
    applying::kinds(&office, sheet).await;
    applying::applying(&office, sheet).await;
    let shop = office.issue(&office.form("supermarket", "龙亭超市", "中山路1号")).await?;
    poster(&office, &shop, sheet).await;
    registering::registering(api, &shop, sheet).await;
    registering::by_others(api, &shop, sheet).await;
    admission(api, &shop, sheet).await;
    abnormal(&office, sheet).await?;
    freight::freight(&office, sheet).await?;
    records(&office, sheet).await?;
    regulated(&office, sheet).await?;
    reminding::reminding(&office, sheet).await?;
    Ok(())
}

async fn poster(office: &Office<'_>, shop: &Venue, sheet: &mut Sheet) {
    let (api, operator) = (office.api, office.operator());
    let promise = "the code is put up where it is seen";
    sheet.rule("poster", "S4 2.1", promise, &shop.url, api.qr_code(&operator, shop)).await;
    let apps = ["汴捷办", "微信", "支付宝"];
    let promise = "the poster names the apps that scan its code";
    sheet.rule("apps", "S4 2.1", promise, &apps.join(", "), api.words_on(&operator, shop, &apps)).await;
    page(api, shop, "S4 2.1", "WeChat and Alipay open a page from the code", sheet).await;
}

async fn admission(api: &Api, shop: &Venue, sheet: &mut Sheet) {
    let promise = "a normal code passes, an abnormal one does not";
    sheet.rule("green-code", "S4 2.3", promise, GREEN_ONLY, api.by_colour(shop)).await;
    let found = async { api.seen(shop, &api.coloured(api.adult()?, "green").await?.person, "venue_code").await };
    sheet.rule("no-test", "S4 2.3", "a test is not asked for", "admit", found).await;
    let found = async {
        let mut told = Vec::new();
        for colour in ["yellow", "red"] {
            let answer = api.answered(shop, &api.tested(colour).await?).await?;
            told.push(text(&answer, "/message/zh")?.contains("原地").to_string());
        }
        Ok(list(told))
    };
    let promise = "who is refused is told to wait on the spot";
    sheet.rule("on-the-spot", "S4 2.3", promise, "true, true", found).await;
    let found = async {
        let known = api.tested("yellow").await?;
        let mut seen = vec![api.scan(shop, &known.person, json!({"colour": "green"})).await?.verdict()];
        seen.push(api.seen(shop, &known.person, "venue_code").await?);
        api.coloured_between(known.person.clone(), "green", (ago(0), None)).await?;
        seen.push(api.seen(shop, &known.person, "venue_code").await?);
        Ok(list(seen))
    };
    let promise = "the colour is the province's, whatever a client says, and changes with it";
    sheet.rule("colour", "S4 06", promise, "422 unknown-field colour, refuse colour_yellow, admit", found).await;
}

async fn abnormal(office: &Office<'_>, sheet: &mut Sheet) -> anyhow::Result<()> {
    let api = office.api;
    let venue = office.issue(&office.form("railway_station", "开封站", "中山路南段")).await?;
    let found = async {
        for colour in ["yellow", "red"] {
            api.seen(&venue, &api.tested(colour).await?.person, "venue_code").await?;
        }
        let sick = api.tested("green").await?.person;
        api.scan(&venue, &sick, json!({"symptoms": true})).await?.ok()?;
        api.alerted(LONGTING, &venue, 3).await
    };
    let promise = "yellow, red and symptoms are reported to the district at once";
    let expected = "abnormal_colour red, abnormal_colour yellow, symptoms green";
    sheet.rule("alert", "S4 2.3, 07", promise, expected, found).await;
    let promise = "the district of the place is told, and no other";
    sheet.rule("own-district", "S4 2.3", promise, "0", api.alerts_elsewhere(SHUNHE)).await;
    let promise = "the person is taken over in a closed loop";
    let expected = "acknowledged, disposed, 闭环转运";
    sheet.rule("transferred", "S4 07", promise, expected, api.handled(LONGTING, &venue)).await;
    Ok(())
}

async fn records(office: &Office<'_>, sheet: &mut Sheet) -> anyhow::Result<()> {
    let api = office.api;
    let venue = office.issue(&office.form("restaurant", "第一楼", "寺后街8号")).await?;
    let at = ago(5);
    let [index, contact] = [api.tested("green").await?, api.tested("green").await?];
    for known in [&index, &contact] {
        api.scan(&venue, &known.person, json!({"scanned_at": time(at)})).await?.ok()?;
    }
    let found = async {
        let visits = api.visits(index.key, 1).await?;
        let shown = |visit: &Value| format!("{} {}", visit["venue_name"], visit["scanned_at"]).replace('"', "");
        Ok(list(visits.iter().map(shown)))
    };
    let promise = "who came where and when is recorded by itself";
    sheet.rule("recorded", "S4 01", promise, &format!("第一楼 {}", time(at)), found).await;
    let promise = "the records serve to trace contacts";
    sheet.rule("contacts", "S4 01", promise, "第一楼", api.traced((index.key, contact.key), &venue, 2)).await;
    Ok(())
}

async fn regulated(office: &Office<'_>, sheet: &mut Sheet) -> anyhow::Result<()> {
    let api = office.api;
    let newcomer = office.other(KAIFENG, 9);
    let form = newcomer.form("restaurant", "小宋城饭店", "御街9号");
    let promise = "who applied and has no code is before the office that reminds them";
    sheet.rule("no-code", "S4 3.1", promise, "listed, gone", api.without_code(&newcomer, &form)).await;
    let venue = office.issue(&office.form("restaurant", "又一新饭店", "鼓楼街22号")).await?;
    let promise = "so is a code that nobody scans";
    sheet.rule("no-scans", "S4 3.1", promise, "listed, gone", api.without_scans(office, &venue)).await;
    Ok(())
}
