//! Fuyang (S2): a code for each door, green codes, nobody entered by hand.

use schemas::access::Role;
use serde_json::{Value, json};

use super::api::{Api, Caller, list, with};
use super::door::{GREEN_ONLY, text};
use super::office::{Office, Venue, state};
use super::page::page;
use super::people::{ago, time};
use super::sheet::Sheet;

/// Fuyang's own code of GB/T 2260, and two of its districts.
const FUYANG: u32 = 341_200;
const YINGZHOU: u32 = 341_202;
const YINGDONG: u32 = 341_203;

/// S2 应用范围 1, 2, 3 and 5.
const KINDS: [(&str, &str); 29] = [
    ("government", "党政机关事业单位"),
    ("government_service_hall", "政务服务大厅"),
    ("school", "学校"),
    ("nursery", "托幼机构"),
    ("hospital", "医院"),
    ("library", "图书馆"),
    ("museum", "博物馆"),
    ("cultural_centre", "文化馆"),
    ("elderly_care", "养老服务机构"),
    ("restaurant", "餐饮饭店"),
    ("supermarket", "商场超市"),
    ("farmers_market", "农贸市场"),
    ("pharmacy", "药店"),
    ("culture_entertainment", "文化娱乐场馆"),
    ("bank", "银行"),
    ("street_shop", "沿街店铺"),
    ("tourist_attraction", "旅游景区"),
    ("sports_venue", "运动场馆"),
    ("station", "交通场站"),
    ("logistics_park", "物流园区"),
    ("public_transport", "公共交通工具"),
    ("factory", "厂矿企业"),
    ("office_building", "商务楼宇"),
    ("construction_site", "建筑工地"),
    ("guesthouse", "宾馆"),
    ("hotel", "酒店"),
    ("homestay", "民宿"),
    ("residential_compound", "居民小区"),
    ("apartment", "公寓"),
];

/// S2 应用范围 4.
const GATHERINGS: [(&str, &str); 4] =
    [("meeting_training", "会议培训"), ("show", "文艺演出"), ("sports_event", "体育赛事"), ("tour_group", "团队旅游")];

pub(super) async fn day(api: &Api, sheet: &mut Sheet) -> anyhow::Result<()> {
    let office = Office::new(api, FUYANG, "administrator", YINGZHOU);
    applying(&office, sheet).await;
    doors(&office, sheet).await;
    gatherings(&office, sheet).await;
    let shop = with(&office.form("supermarket", "颍州超市", "颍州路1号"), &json!({"door": "东门"}));
    let shop = office.issue(&shop).await?;
    posters(&office, &shop, sheet).await;
    scanning(&office, &shop, sheet).await;
    others(&office, sheet).await?;
    abnormal(&office, sheet).await?;
    records(&office, sheet).await?;
    gaps(sheet);
    Ok(())
}

async fn applying(office: &Office<'_>, sheet: &mut Sheet) {
    let form = |id: &str| office.form(id, id, &format!("颍河路{id}"));
    let promise = "each kind of the groups of places gets a code in its name";
    sheet.rule("kinds", "S2 应用范围", promise, "29 of 29", async { Ok(office.kinds(&KINDS, form).await?.1) }).await;

    let found = async {
        let form = office.form("bank", "颍州银行", "颍州路3号");
        let mut outcomes = Vec::new();
        for missing in ["category", "name", "address"] {
            outcomes.push(office.apply(&with(&form, &json!({(missing): null}))).await?.outcome());
        }
        for missing in ["name", "phone"] {
            let responsible = with(&form["responsible"], &json!({(missing): null}));
            outcomes.push(office.apply(&with(&form, &json!({"responsible": responsible}))).await?.outcome());
        }
        Ok(list(outcomes))
    };
    let promise = "kind, name, address, administrator and contact must be filled in";
    let expected = "422 missing-field category, 422 missing-field name, 422 missing-field address, \
        422 missing-field responsible.name, 422 missing-field responsible.phone";
    sheet.rule("fields", "S2 规范1", promise, expected, found).await;
    let found = async { Ok(office.apply(&office.form("place", "某处", "颍州路3号")).await?.outcome()) };
    let promise = "the kind is one of those that there are";
    sheet.rule("exact-kind", "S2 规范1", promise, "422 invalid-field category", found).await;

    let found = async {
        let (path, submitted) = office.decided(&office.form("bank", "颍东银行", "颍州路5号")).await?;
        let approved = office.approve(&path).await?;
        let printed = office.api.qr_code(&office.operator(), &office.venue_of(&approved).await?).await?;
        Ok(format!("{}, {}, printed: {}", state(&submitted), state(&approved), !printed.is_empty()))
    };
    let promise = "once it was passed, its poster can be downloaded";
    sheet.rule("review", "S2 申领步骤", promise, "submitted, approved, printed: true", found).await;
    let found = async {
        let portal = office.by("portal", "administrator");
        Ok(portal.apply(&portal.form("bank", "颍泉银行", "颍州路7号")).await?.outcome())
    };
    let promise = "the app's platform is the way to apply";
    sheet.rule("channel", "S2 申领步骤", promise, "422 invalid-field channel", found).await;
}

async fn doors(office: &Office<'_>, sheet: &mut Sheet) {
    let found = async {
        let form = |door: &str| with(&office.form("hospital", "市人民医院", "三清路501号"), &json!({"door": door}));
        let venues = office.issue_all(["门岗", "门诊部", "住院部", "会议室"].map(form).to_vec()).await?;
        let mut codes: Vec<_> = venues.iter().map(|venue| venue.code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        let mut doors = Vec::new();
        for venue in &venues {
            let known = office.until_looked_up(&venue.code, "taken").await?;
            doors.push(text(&known, "/door")?.to_owned());
        }
        Ok(format!("{} codes: {}", codes.len(), list(doors)))
    };
    let promise = "one door, one code: each point of a hospital has its own, and no two share one";
    sheet.rule("doors", "S2 规范1, 3", promise, "4 codes: 门岗, 门诊部, 住院部, 会议室", found).await;
}

async fn gatherings(office: &Office<'_>, sheet: &mut Sheet) {
    let api = office.api;
    let event = |id: &str, name: &str| {
        let times = json!({"starts_at": time(ago(60)), "ends_at": time(ago(-60))});
        with(&office.form(id, name, "市会议中心"), &times)
    };
    let form = |id: &str| event(id, id);
    let promise = "meetings, shows, sports events and tours get codes too";
    sheet
        .rule("gatherings", "S2 应用范围4", promise, "4 of 4", async {
            Ok(office.kinds(&GATHERINGS, form).await?.1)
        })
        .await;
    let found = async {
        let venue = office.issue(&event("show", "新年音乐会")).await?;
        let person = api.tested("green").await?.person;
        let mut verdicts = Vec::new();
        for at in [ago(61), ago(0), ago(-61)] {
            verdicts.push(api.scan(&venue, &person, json!({"scanned_at": time(at)})).await?.verdict());
        }
        Ok(list(verdicts))
    };
    let promise = "the code of a gathering holds from its start to its end (our reading)";
    let expected = "409 code-not-in-force code, admit, 409 code-not-in-force code";
    sheet.rule("in-its-time", "S2 应用范围4", promise, expected, found).await;
}

async fn posters(office: &Office<'_>, shop: &Venue, sheet: &mut Sheet) {
    let (api, operator) = (office.api, office.operator());
    for (id, size, promise, expected) in [
        ("stand", "80x180", "stands of 80 cm by 180 cm outside", "800 x 1800 mm"),
        ("sheet", "60x90", "sheets of 60 cm by 90 cm outside", "600 x 900 mm"),
        ("a4", "a4", "A4, 21 cm by 29.7 cm, inside", "210 x 297 mm"),
    ] {
        sheet.rule(id, "S2 规范2", promise, expected, api.size(&operator, shop, size)).await;
    }
    let promise = "the code is set into the city's template";
    sheet.rule("poster", "S2 申领步骤", promise, &shop.url, api.qr_code(&operator, shop)).await;
    let apps = ["皖事通", "支付宝", "微信", "云闪付"];
    let promise = "the poster names the four apps that scan its code";
    sheet.rule("apps", "S2 规范4", promise, &apps.join(", "), api.words_on(&operator, shop, &apps)).await;
    let found = async {
        let known = office.until_looked_up(&shop.code, "taken").await?;
        Ok(["/name", "/address", "/door"].map(|part| text(&known, part).unwrap_or("nothing")).join(" "))
    };
    sheet.rule("identifies", "S2 定义", "a code says name and place", "颍州超市 颍州路1号 东门", found).await;
    let found = async {
        let at = json!({"latitude": 32.89, "longitude": 115.814});
        let venue = office.issue(&with(&office.form("restaurant", "颍河饭店", "颍河路1号"), &at)).await?;
        let known = office.until_looked_up(&venue.code, "taken").await?;
        Ok(list(["latitude", "longitude"].map(|part| format!("{:.3}", known[part].as_f64().unwrap_or_default()))))
    };
    sheet.rule("position", "S2 定义", "a code gives the place's position", "32.890, 115.814", found).await;
    page(api, shop, "S2 规范4", "Alipay, WeChat and UnionPay open a page", sheet).await;
}

async fn scanning(office: &Office<'_>, shop: &Venue, sheet: &mut Sheet) {
    let api = office.api;
    let sampled_at = ago(7 * 60);
    let found = async {
        let known = api.coloured(api.adult()?, "green").await?;
        api.sampled(&known.person, sampled_at, "negative").await?;
        let answer = api.scan_own(shop, &known, json!({})).await?.ok()?;
        let parts = ["/verdict", "/colour", "/last_test/sampled_at", "/last_test/result"];
        Ok(parts.map(|part| text(&answer, part).unwrap_or("nothing")).join(" "))
    };
    let promise = "who scans is registered and shown the own code, and the staff the last test";
    let expected = format!("admit green {} negative", time(sampled_at));
    sheet.rule("own-phone", "S2 定义", promise, &expected, found).await;
    let promise = "a green code passes, and nothing else";
    sheet.rule("green-code", "S2 规范5", promise, GREEN_ONLY, api.by_colour(shop)).await;
    let found = async { api.seen(shop, &api.coloured(api.adult()?, "green").await?.person, "venue_code").await };
    sheet.rule("no-test", "S2 规范5", "no age of a test is asked for", "admit", found).await;
    sheet.rule("voice", "S2 规范5", "the result is spoken", "绿码、黄码、红码", api.spoken(shop)).await;

    let found = async {
        let venue = office.issue(&office.form("museum", "阜阳博物馆", "清河路1号")).await?;
        let [one, other] = [api.tested("green").await?, api.tested("green").await?];
        let both = api.scan_own(&venue, &one, json!({"document": other.person.document()})).await?.verdict();
        let own = [api.scan_own(&venue, &one, json!({})).await?, api.scan_own(&venue, &other, json!({})).await?];
        let visitors = api.visitors(&venue, 2).await?.len();
        Ok(format!("{both}; {}; {visitors} visitors", list(own.map(|answer| answer.verdict()))))
    };
    let promise = "companions scan one by one: nobody scans for another adult";
    let expected = "403 out-of-scope document; admit, admit; 2 visitors";
    sheet.rule("one-by-one", "S2 规范4", promise, expected, found).await;
    let found = async {
        let venue = office.issue(&office.form("library", "阜阳图书馆", "清河路3号")).await?;
        let known = api.tested("green").await?;
        for (direction, minutes) in [("entry", 30), ("exit", 2)] {
            let more = json!({"direction": direction, "scanned_at": time(ago(minutes))});
            api.scan(&venue, &known.person, more).await?.ok()?;
        }
        let visits = api.visits(known.key, 2).await?;
        Ok(list(visits.iter().map(|visit| visit["direction"].as_str().unwrap_or("").to_owned())))
    };
    sheet.rule("in-and-out", "S2 定义", "who leaves can scan as well", "entry, exit", found).await;
}

async fn others(office: &Office<'_>, sheet: &mut Sheet) -> anyhow::Result<()> {
    let api = office.api;
    let venue = office.issue(&office.form("pharmacy", "清河药店", "清河路5号")).await?;
    let scan = async |more: Value| {
        let person = api.tested("green").await?.person;
        anyhow::Ok(api.scan(&venue, &person, more).await?.verdict())
    };
    let found = async {
        let reverse = |reason: Option<&str>| json!({"method": "reverse_scan", "offline_reason": reason});
        Ok(list([
            scan(reverse(Some("no_smartphone"))).await?,
            scan(reverse(Some("offline_code"))).await?,
            scan(reverse(None)).await?,
        ]))
    };
    let promise = "staff scan in reverse for whoever has no smartphone or an offline code, and no others";
    sheet.rule("reverse-scan", "S2 规范5", promise, "admit, admit, 422 not-eligible offline_reason", found).await;
    let promise = "showing a code does not take the place of scanning";
    let found = scan(json!({"method": "sentinel_health_code"}));
    sheet.rule("not-shown", "S2 规范5", promise, "422 not-eligible method", found).await;
    let promise = "nobody is entered by hand any more";
    let found = scan(json!({"method": "manual", "offline_reason": "no_smartphone"}));
    sheet.rule("not-by-hand", "S2 作用3", promise, "422 not-eligible method", found).await;
    Ok(())
}

async fn abnormal(office: &Office<'_>, sheet: &mut Sheet) -> anyhow::Result<()> {
    let api = office.api;
    let venue = office.issue(&office.form("station", "阜阳西站", "和谐路1号")).await?;
    let found = async {
        for colour in ["yellow", "red"] {
            api.seen(&venue, &api.tested(colour).await?.person, "venue_code").await?;
        }
        api.alerted(YINGZHOU, &venue, 2).await
    };
    let promise = "an abnormal result leads to measures: the district is told";
    sheet.rule("alert", "S2 规范5", promise, "abnormal_colour red, abnormal_colour yellow", found).await;
    let promise = "the district of the place is told, and no other";
    sheet.rule("own-district", "S2 规范5", promise, "0", api.alerts_elsewhere(YINGDONG)).await;
    let promise = "the office acts on it, and says what became of the person";
    let expected = "acknowledged, disposed, 闭环转运";
    sheet.rule("measures", "S2 规范5", promise, expected, api.handled(YINGZHOU, &venue)).await;
    Ok(())
}

async fn records(office: &Office<'_>, sheet: &mut Sheet) -> anyhow::Result<()> {
    let api = office.api;
    let venue = office.issue(&office.form("restaurant", "清河饭店", "清河路7号")).await?;
    let [index, contact] = [api.tested("green").await?, api.tested("green").await?];
    for known in [&index, &contact] {
        api.answered(&venue, known).await?;
    }
    let promise = "from an infected person's scans places and contacts are found";
    sheet.rule("contacts", "S2 作用2", promise, "清河饭店", api.traced((index.key, contact.key), &venue, 2)).await;
    let found = async {
        let (path, _) = office.decided(&office.form("hotel", "清河酒店", "清河路9号")).await?;
        let mut seen = String::new();
        for who in [office.operator(), Caller::of(Role::Reviewer)] {
            seen += &api.ask(&who, &path).await?.ok()?.to_string();
        }
        seen += &list(api.visitors(&venue, 2).await?.iter().map(ToString::to_string));
        let number = index.person.document()["number"].to_string();
        let named: Vec<_> =
            ["王芳", "13800000000", number.trim_matches('"')].into_iter().filter(|s| seen.contains(s)).collect();
        Ok(format!("{} of 3", named.len()))
    };
    let promise = "personal data is protected: no answer shows a name, a phone or a document number";
    sheet.rule("privacy", "S2 作用3", promise, "0 of 3", found).await;
    Ok(())
}

fn gaps(sheet: &mut Sheet) {
    sheet.gap("S2 定义", "the travel code is checked as well", "there is no feed of journeys");
}
