//! Shanghai (S0, S3): codes and sentinels, a green code and a test of 48 hours.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::api::{Api, Caller, list, with};
use super::door::{GREEN_ONLY, text};
use super::office::{Office, Venue, state};
use super::people::{Person, ago, time};
use super::records::{footfall_path, visits_path};
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
    kinds(&office, sheet).await;
    applicants(&office, sheet).await;
    review(&office, sheet).await;
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
    methods(&office, sheet).await?;
    admission(api, (&shop, &compound), sheet).await;
    answer(api, &shop, sheet).await;
    abnormal(&office, &other, sheet).await;
    records(&office, sheet).await?;
    gaps(sheet);
    Ok(())
}

async fn kinds(office: &Office<'_>, sheet: &mut Sheet) {
    let office = office.other(SHANGHAI, 100).by("portal", "legal_person");
    let form = |id: &str, word: &str| office.form(id, &format!("{word}甲"), &format!("南京路{word}1号"));
    sheet
        .rule(
            "kinds",
            "S0 一",
            "each of the 25 kinds of key places gets a code in its name",
            "25 of 25",
            office.kinds(&KINDS, form),
        )
        .await;
    let form = |id: &str, word: &str| office.form(id, &format!("{word}乙"), &format!("南京路{word}2号"));
    sheet.rule("classes", "S3 ¶9", "so does each of the 17 classes", "17 of 17", office.kinds(&CLASSES, form)).await;
}

async fn applicants(office: &Office<'_>, sheet: &mut Sheet) {
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
        let path = elsewhere.submit(&elsewhere.form("catering", "京味楼", "西藏路3号")).await?;
        let rejected = elsewhere.review(&path, &json!({"outcome": "reject", "reason": "not_in_this_city"})).await?;
        Ok(format!("{}, code {}", state(&rejected), rejected["code"]))
    };
    let promise = "who is not registered in Shanghai gets no code";
    sheet.rule("registered-here", "S0 04", promise, "rejected not_in_this_city, code null", found).await;

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

async fn review(office: &Office<'_>, sheet: &mut Sheet) {
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

async fn code(office: &Office<'_>, shop: &Venue, sheet: &mut Sheet) {
    let (api, operator) = (office.api, office.operator());
    let promise = "the poster is downloaded and printed, with the venue's own code";
    sheet.rule("poster", "S0 05.4", promise, &shop.url, api.qr_code(&operator, shop)).await;
    let promise = "it names the apps that scan it";
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

async fn methods(office: &Office<'_>, sheet: &mut Sheet) -> anyhow::Result<()> {
    let api = office.api;
    let door = office.issue(&office.form("public_hall", "市图书馆", "淮海路1555号")).await?;
    let found = async {
        let person = api.tested("green").await?;
        Ok(api.scan_own(&door, &person, json!({})).await?.verdict())
    };
    sheet.rule("own-phone", "S0 三", "a person scans the code with the app", "admit", found).await;
    for (id, method, promise) in [
        ("sentinel-code", "sentinel_health_code", "or the sentinel scans the person's health code"),
        ("sentinel-card", "sentinel_id_card", "or reads the identity card"),
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
        Ok(list([by(api.adult()?, "manual", Some("no_smartphone")).await?, by(api.adult()?, "manual", None).await?]))
    };
    let promise = "whoever has no smartphone is entered by hand, and nobody else";
    sheet.rule("by-hand", "S0 二", promise, "admit, 422 not-eligible offline_reason", found).await;

    let ages = async |years: u32| {
        // The birthday is today, and tomorrow.
        let [had, has_not] = [(years, 0), (years, -1)].map(|(years, days)| api.aged(years, days));
        Ok::<_, anyhow::Error>(list([by(had?, "reverse_scan", None).await?, by(has_not?, "reverse_scan", None).await?]))
    };
    let promise = "staff scan the paper code of minors up to the day before their 18th birthday";
    sheet.rule("minors", "S3 ¶12", promise, "422 not-eligible offline_reason, admit", ages(18)).await;
    let promise = "and of seniors from their 60th birthday on";
    sheet.rule("seniors", "S3 ¶12", promise, "admit, 422 not-eligible offline_reason", ages(60)).await;
    let found = async {
        let disabled = by(api.adult()?, "reverse_scan", Some("disabled")).await?;
        Ok(list([disabled, by(api.adult()?, "reverse_scan", None).await?]))
    };
    let promise = "and of disabled people with a certificate, not of other adults";
    sheet.rule("disabled", "S3 ¶12", promise, "admit, 422 not-eligible offline_reason", found).await;

    let expected = "manual, reverse_scan, sentinel_health_code, sentinel_id_card, venue_code";
    let promise = "whichever way it is made, a scan is registered";
    sheet.rule("registered", "S3 ¶10", promise, expected, api.methods_at(&door, 7)).await;

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

async fn admission(api: &Api, (shop, compound): (&Venue, &Venue), sheet: &mut Sheet) {
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
    let promise = "and a negative test sampled within 48 hours";
    let expected = "admit, refuse test_too_old, refuse test_positive, refuse test_missing";
    sheet.rule("48-hours", "S3 ¶5", promise, expected, found).await;
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

async fn answer(api: &Api, shop: &Venue, sheet: &mut Sheet) {
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
    sheet.rule("voice", "S3 ¶10", "and the colour is spoken", "绿码、黄码、红码", api.spoken(shop)).await;
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
    let promise = "its own district: another one sees none";
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
    sheet.rule("own-counts", "S0 05.4", "and another organisation does not", "403 out-of-scope id", found).await;

    let [index, contact] = [people[0], people[1]];
    let promise = "the records serve epidemiology: who was where at the same time is found";
    sheet.rule("contacts", "S3 ¶7", promise, "人民公园", api.traced((index, contact), &venue, 5)).await;
    let everybody = Caller::everybody(index, &office.organisation, HUANGPU);
    let promise = "and nothing else: nobody but an epidemiologist is told where somebody was";
    sheet.rule("one-purpose", "S3 ¶7", promise, "epidemiologist", api.who_may(&everybody, &visits_path(index))).await;
    let promise = "and nobody but the district and its supervisor whom a code stopped";
    sheet.rule("who-is-told", "S3 ¶7", promise, "district, supervisor", api.who_may(&everybody, "/v1/alerts")).await;
    Ok(())
}

fn gaps(sheet: &mut Sheet) {
    sheet.gap("S0 04", "registered in Shanghai", "a reviewer decides; the place in the credit code is not compared");
    sheet.gap("S0 05.4", "an organisation sees the details of scans", "counts and colours only");
    sheet.gap("S0 四", "every refusal is reported", "yellow, red, positive and symptoms are; a missing test is not");
    sheet.gap("S3 ¶1", "organisations, codes and new codes of the city", "scans, people and venues only");
    sheet.gap(
        "S3 ¶7",
        "the purpose of each look at records",
        "held back by role; purpose and release are not asked for",
    );
    sheet.gap(
        "S3 ¶10",
        "WeChat and Alipay open a page from the code",
        "the QR code is a URL, without a page behind it",
    );
}
