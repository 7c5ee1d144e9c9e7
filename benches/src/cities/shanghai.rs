//! Shanghai (S0, S3): codes and sentinels, a green code and a test of 48 hours.

mod applying;
mod entering;

use schemas::access::Role;
use serde_json::{Value, json};

use super::api::{Api, Caller, list};
use super::door::text;
use super::office::{Office, Venue};
use super::overview::details_path;
use super::page::page;
use super::records::footfall_path;
use super::sheet::Sheet;

/// Shanghai's own code of GB/T 2260, where its organisations are registered, and two of its districts.
const SHANGHAI: u32 = 310_000;
const HUANGPU: u32 = 310_101;
const XUHUI: u32 = 310_104;

/// S0 一.
const KINDS: [(&str, &str); 25] = [
    ("school", "学校"),
    ("residential_compound", "居民小区"),
    ("government", "机关事业单位"),
    ("government_service_centre", "政务服务中心"),
    ("shopping_complex", "商业综合体"),
    ("farmers_market", "农贸市场"),
    ("supermarket", "商场超市"),
    ("cinema_theatre", "影剧院"),
    ("public_hall", "公共场馆"),
    ("bar_restaurant", "酒吧餐饮"),
    ("hotel", "宾馆旅店"),
    ("fitness", "健身休闲"),
    ("tourist_attraction", "旅游景点"),
    ("park", "公园"),
    ("religious_activity", "宗教活动场所"),
    ("internet_cafe", "互联网上网服务营业场所"),
    ("entertainment", "娱乐场所"),
    ("personal_services", "服务场所"),
    ("hospital", "医疗机构"),
    ("training", "培训机构"),
    ("parcel_station", "快递末端网点"),
    ("factory", "厂企"),
    ("coach_station", "长途汽车站"),
    ("airport", "机场"),
    ("passenger_pier", "客运码头"),
];

/// S3 ¶9, which names catering twice.
const CLASSES: [(&str, &str); 17] = [
    ("residential_compound", "居民小区"),
    ("lodging", "经营性住宿场所"),
    ("transport", "公共交通场所"),
    ("medical", "医疗服务场所"),
    ("catering", "餐饮服务场所"),
    ("culture_tourism_sport", "文化旅游体育场所"),
    ("finance", "金融服务场所"),
    ("retail", "商业服务场所"),
    ("education", "教育服务场所"),
    ("elderly_care", "养老和救助服务场所"),
    ("construction", "建设工地"),
    ("religion", "宗教场所"),
    ("logistics", "物流网点"),
    ("workplace", "办公生产场所"),
    ("government", "机关事业单位"),
    ("utility", "公用事业单位"),
    ("other", "其他公共场所"),
];

pub(super) async fn day(api: &Api, sheet: &mut Sheet) -> anyhow::Result<()> {
    let office = Office::new(api, SHANGHAI, "legal_person", HUANGPU);
    let classes = kinds(&office, sheet).await;
    applying::applicants(&office, sheet).await;
    applying::review(&office, sheet).await;
    let [shop, compound, other]: [Venue; 3] = office
        .issue_all(vec![
            office.form("bar_restaurant", "蜀香园", "福州路5号"),
            office.form("residential_compound", "福新小区", "福州路7号"),
            office.form("supermarket", "福州超市", "福州路9号"),
        ])
        .await?
        .try_into()
        .map_err(|_| anyhow::anyhow!("not three venues"))?;
    code(&office, &shop, sheet).await;
    entering::methods(&office, sheet).await?;
    entering::admission(api, (&shop, &compound), sheet).await;
    entering::every_class(api, &classes, sheet).await;
    entering::answer(api, &shop, sheet).await;
    page(api, &shop, "S3 ¶10", "WeChat and Alipay open a page from the code", sheet).await;
    abnormal(&office, &other, sheet).await;
    records(&office, sheet).await?;
    gaps(sheet);
    Ok(())
}

/// Gives a venue of each class.
async fn kinds(office: &Office<'_>, sheet: &mut Sheet) -> Vec<Venue> {
    let office = office.other(SHANGHAI, 100).by("portal", "legal_person");
    let form = |id: &str| office.form(id, id, &format!("南京路{id}"));
    let promise = "each of the 25 kinds of key places gets a code in its name";
    let found = async { Ok(office.kinds(&KINDS, form).await?.1) };
    sheet.rule("kinds", "S0 一", promise, "25 of 25", found).await;
    let form = |id: &str| office.form(id, &format!("{id} S3"), &format!("南京路{id}"));
    let promise = "each of the 17 classes of places gets a code in its name";
    let mut classes = Vec::new();
    let found = async {
        let (venues, found) = office.kinds(&CLASSES, form).await?;
        classes = venues;
        Ok(found)
    };
    sheet.rule("classes", "S3 ¶9", promise, "17 of 17", found).await;
    classes
}

async fn code(office: &Office<'_>, shop: &Venue, sheet: &mut Sheet) {
    let (api, operator) = (office.api, office.operator());
    let promise = "the poster is downloaded and printed, with the venue's own code";
    sheet.rule("poster", "S0 05.4", promise, &shop.url, api.qr_code(&operator, shop)).await;
    let promise = "the poster comes in formats for printing, for layout and for screens";
    sheet.rule("formats", "S0 05.3, ours", promise, "pdf, svg, png", api.formats(&operator, shop)).await;
    let promise = "the poster names the apps that scan its code";
    let apps = ["随申办", "微信", "支付宝"];
    sheet.rule("apps", "S3 ¶10", promise, "随申办, 微信, 支付宝", api.words_on(&operator, shop, &apps)).await;
    let found = async {
        let known = office.until_looked_up(&shop.code, "taken").await?;
        Ok(format!("{} {} {}", text(&known, "/name")?, text(&known, "/address")?, known["district"]))
    };
    sheet.rule("identifies", "S0 02", "a code stands for one place", "蜀香园 福州路5号 310101", found).await;
    let found = async {
        let altered = if shop.code.ends_with('0') { '1' } else { '0' };
        let forged = Venue { url: format!("{}{altered}", &shop.url[..shop.url.len() - 1]), ..shop.clone() };
        api.seen(&forged, &api.tested("green").await?.person, "venue_code").await
    };
    sheet.rule("forged", "S0 02", "a code that nobody issued is none", "422 mistyped-code code", found).await;

    let found = async {
        let venue = office.issue(&office.form("catering", "换码茶馆", "福州路11号")).await?;
        let body = json!({"organisation": office.organisation});
        let command = async |command: &str| {
            api.post(&operator, &format!("/v1/venues/{}/{command}", venue.number), &body).await?.ok()
        };
        let path = command("reissue").await?["follow"].as_str().unwrap_or_default().to_owned();
        let own = |answer: &Value| answer["applications"][0].clone();
        let reissued = api.soon(&operator, &path, |answer| own(answer)["code"] != venue.code).await?;
        let renewed = office.venue_of(&own(&reissued)).await?;
        let person = api.tested("green").await?.person;
        let mut seen =
            vec![api.seen(&venue, &person, "venue_code").await?, api.seen(&renewed, &person, "venue_code").await?];
        command("revocation").await?;
        office.until_looked_up(&renewed.code, "409 revoked-code code").await?;
        seen.push(api.seen(&renewed, &person, "venue_code").await?);
        Ok(list(seen))
    };
    let promise = "of a code issued anew the new poster holds, and once revoked none";
    let expected = "409 revoked-code code, admit, 409 revoked-code code";
    sheet.rule("reissue", "S0 02, ours", promise, expected, found).await;
}

async fn abnormal(office: &Office<'_>, venue: &Venue, sheet: &mut Sheet) {
    let api = office.api;
    let found = async {
        for colour in ["yellow", "red"] {
            api.seen(venue, &api.tested(colour).await?.person, "sentinel_health_code").await?;
        }
        api.alerted(HUANGPU, venue, 2).await
    };
    let promise = "who may not enter is refused, and the district told at once";
    sheet.rule("alert", "S0 四", promise, "abnormal_colour red, abnormal_colour yellow", found).await;
    let promise = "the district of the place is told, and no other";
    sheet.rule("own-district", "S0 四", promise, "0", api.alerts_elsewhere(XUHUI)).await;
    let promise = "the office acts on it, and says what became of the person";
    let expected = "acknowledged, disposed, 闭环转运";
    sheet.rule("measures", "S0 四", promise, expected, api.handled(HUANGPU, venue)).await;
}

async fn records(office: &Office<'_>, sheet: &mut Sheet) -> anyhow::Result<()> {
    let api = office.api;
    let venue = office.issue(&office.form("park", "人民公园", "南京西路75号")).await?;
    let mut people = Vec::new();
    for colour in ["green", "green", "green", "yellow", "red"] {
        let known = api.tested(colour).await?;
        api.answered(&venue, &known).await?;
        people.push(known.key);
    }
    let promise = "the organisation sees the day's scans at its own code, and their colours";
    let expected = "5 scans, 5 people: 3 green, 1 yellow, 1 red";
    sheet.rule("counts", "S0 05.4", promise, expected, api.counted(office, &venue, 5)).await;
    let stranger = office.other(SHANGHAI, 9);
    let found = async { Ok(api.ask(&stranger.operator(), &footfall_path(&venue)).await?.outcome()) };
    sheet
        .rule("own-counts", "S0 05.4", "an organisation does not see another one's scans", "403 out-of-scope id", found)
        .await;

    let promise = "the organisation sees the details of scans, and not whose they are";
    let expected = "3 green, 1 yellow, 1 red; 5 masked";
    sheet.rule("details", "S0 05.4", promise, expected, api.detailed(office, &venue, 5)).await;
    let found = async { Ok(api.ask(&stranger.operator(), &details_path(&venue)).await?.outcome()) };
    let promise = "an organisation does not see the details of another one's scans";
    sheet.rule("own-details", "S0 05.4", promise, "403 out-of-scope id", found).await;
    let newcomer = office.other(SHANGHAI, 10);
    let form = newcomer.form("bar_restaurant", "新开饭店", "南京西路77号");
    let promise = "organisations, codes, new codes, scans of the day and all scans of the city";
    let expected = "1 organisation, 1 code, 1 new, 1 scan, 1 in all";
    sheet.rule("headlines", "S3 ¶1", promise, expected, api.headlines(&newcomer, &form)).await;

    let [index, contact] = [people[0], people[1]];
    let promise = "the records serve epidemiology: who was where at the same time is found";
    sheet.rule("contacts", "S3 ¶7", promise, "人民公园", api.traced((index, contact), &venue, 5)).await;
    let everybody = Caller::everybody(index, &office.organisation, HUANGPU);
    let promise = "nobody but an epidemiologist is told where somebody was";
    let found = async { api.who_may(&everybody, &api.visits_path(index).await?).await };
    sheet.rule("one-purpose", "S3 ¶7", promise, "epidemiologist", found).await;
    let promise = "nobody looks at records without purpose and release";
    let path = api.visits_path(index).await?;
    let without = path.split("&release=").next().unwrap_or_default();
    let found = async { Ok(api.ask(&Caller::of(Role::Epidemiologist), without).await?.outcome()) };
    sheet.rule("with-release", "S3 ¶7", promise, "403 release-required release", found).await;
    let promise = "a person is told who looked at their records, and why";
    let found = async {
        let path = format!("/v1/persons/{index}/reads");
        let answer = api.ask(&Caller::citizen(index), &path).await?.ok()?;
        let read = &answer["reads"][0];
        Ok(format!("{} {}", read["role"], read["purpose_name"]["zh"]))
    };
    sheet.rule("who-looked", "S3 ¶7", promise, r#""epidemiologist" "密切接触者追踪""#, found).await;
    let promise = "nobody but the district and its supervisor is told whom a code stopped";
    sheet.rule("who-is-told", "S3 ¶7", promise, "district, supervisor", api.who_may(&everybody, "/v1/alerts")).await;
    Ok(())
}

fn gaps(sheet: &mut Sheet) {
    sheet.gap("S0 四", "every refusal is reported", "yellow, red, positive and symptoms are; a missing test is not");
}
