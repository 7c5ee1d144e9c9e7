//! Shandong (S1): codes made at once, in eight groups of places and in vehicles.

use chrono::TimeDelta;
use serde_json::json;

use super::api::{Api, list, with};
use super::door::text;
use super::office::{Office, Venue, state};
use super::page::page;
use super::people::{ago, time};
use super::sheet::Sheet;

/// Shandong's own code of GB/T 2260, and a district of Tai'an.
const SHANDONG: u32 = 370_000;
const TAISHAN: u32 = 370_902;

/// S1, question 2.
const KINDS: [(&str, &str); 22] = [
    ("guesthouse", "宾馆"),
    ("hotel", "酒店"),
    ("restaurant", "饭店"),
    ("catering_tourism", "餐饮旅游"),
    ("culture_entertainment", "文旅娱乐"),
    ("shopping_mall", "商场"),
    ("supermarket", "超市"),
    ("farmers_market", "农贸市场"),
    ("logistics", "物流快递"),
    ("hospital", "医院"),
    ("pharmacy", "医药门店"),
    ("clinic", "诊所"),
    ("bus", "公交车"),
    ("taxi", "出租车"),
    ("online_hailed_car", "网约车"),
    ("intercity_coach", "城际班车"),
    ("government", "党政机关"),
    ("enterprise", "企事业单位"),
    ("residential_compound", "居民小区"),
    ("school", "学校"),
    ("kindergarten", "幼儿园"),
    ("other", "其他需要重点管控的公共场所"),
];

pub(super) async fn day(api: &Api, sheet: &mut Sheet) -> anyhow::Result<()> {
    let office = Office::new(api, SHANDONG, "administrator", TAISHAN);
    applying(&office, sheet).await;
    let shop = office.issue(&office.form("supermarket", "泰山超市", "东岳大街1号")).await?;
    code(&office, &shop, sheet).await;
    scanning(api, &shop, sheet).await;
    records(&office, sheet).await?;
    page(api, &shop, "S1 3", "whatever scans the code opens a page", sheet).await;
    Ok(())
}

async fn applying(office: &Office<'_>, sheet: &mut Sheet) {
    let form = |id: &str| office.form(id, id, &format!("泰山大街{id}"));
    let promise = "each kind of the eight groups gets a code in its name";
    sheet.rule("kinds", "S1 2", promise, "22 of 22", async { Ok(office.kinds(&KINDS, form).await?.1) }).await;

    let found = async {
        let mut kinds = Vec::new();
        for (category, plate) in [
            ("bus", "鲁J00001"),
            ("taxi", "鲁J00002"),
            ("online_hailed_car", "鲁J00003"),
            ("intercity_coach", "鲁J00004"),
        ] {
            let (_, application) = office.decided(&office.form(category, plate, "泰安")).await?;
            kinds.push(text(&application, "/kind")?.to_owned());
        }
        Ok(list(kinds))
    };
    let promise = "buses, taxis, hailed cars and coaches have codes as vehicles";
    sheet.rule("vehicles", "S1 2(4)", promise, "vehicle, vehicle, vehicle, vehicle", found).await;

    let found = async {
        let (_, application) = office.decided(&office.form("hotel", "东岳酒店", "东岳大街3号")).await?;
        let venue = office.venue_of(&application).await?;
        Ok(format!("{}, its code looked up: {}", state(&application), !venue.code.is_empty()))
    };
    let promise = "the form filled in, the code is made at once";
    sheet.rule("at-once", "S1 4", promise, "approved, its code looked up: true", found).await;

    let found = async {
        let mut outcomes = Vec::new();
        for applicant in ["administrator", "responsible_person", "agent"] {
            let office = office.by("mobile", applicant);
            outcomes.push(office.apply(&office.form("hotel", applicant, "东岳大街5号")).await?.outcome());
        }
        Ok(list(outcomes))
    };
    let promise = "its administrator or the person responsible applies for a place";
    let expected = "taken, taken, 422 invalid-field applicant.kind";
    sheet.rule("applicants", "S1 4", promise, expected, found).await;

    let found = async {
        let form = office.form("hotel", "东岳酒店", "东岳大街7号");
        Ok(office.apply(&with(&form, &json!({"address": null}))).await?.outcome())
    };
    sheet.rule("prompted", "S1 4", "what is left out is named", "422 missing-field address", found).await;
}

async fn code(office: &Office<'_>, shop: &Venue, sheet: &mut Sheet) {
    let (api, operator) = (office.api, office.operator());
    let promise = "the code is printed and put up";
    sheet.rule("poster", "S1 4", promise, &shop.url, api.qr_code(&operator, shop)).await;
    let apps = ["爱山东", "支付宝", "微信", "山东电子健康通行卡"];
    let promise = "the poster names the apps and mini programs that scan its code";
    sheet.rule("apps", "S1 3", promise, &apps.join(", "), api.words_on(&operator, shop, &apps)).await;
    let found = async {
        let known = office.until_looked_up(&shop.code, "taken").await?;
        Ok(format!("{} {}", text(&known, "/name")?, text(&known, "/address")?))
    };
    sheet.rule("identifies", "S1 1", "a code stands for one place", "泰山超市 东岳大街1号", found).await;
}

async fn scanning(api: &Api, shop: &Venue, sheet: &mut Sheet) {
    let found = async {
        let known = api.tested("green").await?;
        let verdict = api.scan_own(shop, &known, json!({})).await?.verdict();
        let visits = api.visits(known.key, 1).await?;
        Ok(format!(
            "{verdict}; {}",
            list(visits.iter().map(|visit| visit["venue_name"].as_str().unwrap_or("").to_owned()))
        ))
    };
    let promise = "who scans is registered without further ado";
    sheet.rule("registered", "S1 1", promise, "admit; 泰山超市", found).await;

    let found = async {
        let mut shown = Vec::new();
        for colour in ["green", "red"] {
            let answer = api.answered(shop, &api.tested(colour).await?).await?;
            shown.push(format!("{} at {}", text(&answer, "/colour")?, text(&answer, "/venue/name")?));
        }
        Ok(list(shown))
    };
    let promise = "there is a result to show to the staff";
    sheet.rule("result", "S1 3", promise, "green at 泰山超市, red at 泰山超市", found).await;

    let found = async {
        let mut verdicts = Vec::new();
        for colour in ["green", "yellow", "red"] {
            verdicts.push(api.seen(shop, &api.tested(colour).await?.person, "venue_code").await?);
        }
        Ok(list(verdicts))
    };
    let promise = "a scan checks people's health: green enters, yellow and red do not (our reading)";
    sheet.rule("health", "S1 提醒", promise, "admit, refuse colour_yellow, refuse colour_red", found).await;
    let found = async { api.seen(shop, &api.coloured(api.adult()?, "green").await?.person, "venue_code").await };
    sheet.rule("no-test", "S1 提醒", "a test is not asked for", "admit", found).await;
    let found = async { api.seen(shop, &api.tested("green").await?.person, "sentinel_id_card").await };
    let promise = "people scan with a phone; there are no sentinels";
    sheet.rule("by-phone", "S1 3", promise, "422 not-eligible method", found).await;
}

async fn records(office: &Office<'_>, sheet: &mut Sheet) -> anyhow::Result<()> {
    let api = office.api;
    let bus = office.issue(&office.form("bus", "1路公交车鲁J00009", "泰安")).await?;
    let [index, contact] = [api.tested("green").await?, api.tested("green").await?];
    // Within seconds, so that they are of one day.
    for (known, seconds) in [(&index, 3), (&contact, 2), (&contact, 1)] {
        let at = ago(0) - TimeDelta::seconds(seconds);
        api.scan(&bus, &known.person, json!({"scanned_at": time(at)})).await?.ok()?;
    }
    let promise = "whom somebody rode with is found";
    let expected = "1路公交车鲁J00009, 1路公交车鲁J00009";
    sheet.rule("contacts", "S1 1", promise, expected, api.traced((index.key, contact.key), &bus, 3)).await;
    let promise = "the flow of people is counted";
    let expected = "3 scans, 2 people: 3 green, 0 yellow, 0 red";
    sheet.rule("counts", "S1 1", promise, expected, api.counted(office, &bus, 3)).await;
    Ok(())
}
