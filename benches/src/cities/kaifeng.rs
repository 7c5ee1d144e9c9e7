//! Kaifeng (S4): details at the first scan, the last four characters later, and a code of its own for lorries.

use schemas::access::Role;
use serde_json::{Value, json};

use super::api::{Api, Caller, list, with};
use super::door::{GREEN_ONLY, text};
use super::office::{Office, Venue, state};
use super::people::{Known, Person, ago, time};
use super::sheet::Sheet;

/// Kaifeng's own code of GB/T 2260, and two of its districts.
const KAIFENG: u32 = 410_200;
const LONGTING: u32 = 410_202;
const SHUNHE: u32 = 410_203;

/// S4, article 1.1, and light rail from question 03.
const KINDS: [(&str, &str); 24] = [
    ("organisation", "机关企事业单位"),
    ("supermarket", "商场超市"),
    ("farmers_market", "农贸市场"),
    ("hotel", "宾馆酒店"),
    ("restaurant", "餐厅饭店"),
    ("museum", "文博场馆"),
    ("entertainment", "文体休闲娱乐场所"),
    ("tourist_attraction", "旅游景区"),
    ("medical", "医疗机构"),
    ("pharmacy", "零售药店"),
    ("school", "学校及校外培训机构"),
    ("detention", "各类监所"),
    ("elderly_care", "养老机构"),
    ("welfare", "福利机构"),
    ("nursery", "托幼机构"),
    ("logistics", "物流快递点"),
    ("railway_station", "火车站"),
    ("coach_station", "汽车站"),
    ("high_speed_station", "高铁站"),
    ("light_rail_station", "轻轨站"),
    ("service_area", "高速服务区"),
    ("construction_site", "建筑工地"),
    ("religion", "宗教场所"),
    ("residential_compound", "居民社区（小区）"),
];

/// S4, question 02.
const FREIGHT: [(&str, &str); 2] = [("freight_checkpoint", "交通卡口"), ("freight_destination", "目的地场所")];

/// S4, question 05.
const VENUE_FORM: &str = "姓名、身份证号、住址信息、是否到过疫情严重地区、是否接触过疑似病人、体温是否正常";
const FREIGHT_FORM: &str = "姓名、证件号、车牌号、手机号、来源地、入豫地、预计返豫时间、预计离豫时间、\
    是否有发热、咳嗽症状、是否到过中高风险地区";

pub(super) async fn day(api: &Api, sheet: &mut Sheet) -> anyhow::Result<()> {
    let office = Office::new(api, KAIFENG, "manager", LONGTING);
    kinds(&office, sheet).await;
    applying(&office, sheet).await;
    let shop = office.issue(&office.form("supermarket", "龙亭超市", "中山路1号")).await?;
    poster(&office, &shop, sheet).await;
    registering(api, &shop, sheet).await;
    by_others(api, &shop, sheet).await;
    admission(api, &shop, sheet).await;
    abnormal(&office, sheet).await?;
    freight(&office, sheet).await?;
    records(&office, sheet).await?;
    gaps(sheet);
    Ok(())
}

async fn kinds(office: &Office<'_>, sheet: &mut Sheet) {
    let form = |id: &str, word: &str| office.form(id, &format!("{word}甲"), &format!("西大街{word}1号"));
    let promise = "each kind of public place gets a code in its name";
    sheet.rule("kinds", "S4 1.1, 03", promise, "24 of 24", office.kinds(&KINDS, form)).await;
    let promise = "checkpoints and destinations get the freight code";
    sheet.rule("freight-kinds", "S4 1.2, 02", promise, "2 of 2", office.kinds(&FREIGHT, form)).await;
    let found = async {
        let mut kinds = Vec::new();
        for (id, word) in FREIGHT {
            let (_, application) = office.decided(&office.form(id, &format!("{word}乙"), "东京大道")).await?;
            kinds.push(text(&application, "/kind")?.to_owned());
        }
        Ok(list(kinds))
    };
    let expected = "freight_checkpoint, freight_destination";
    sheet.rule("freight-apart", "S4 02", "which is a code of another kind", expected, found).await;
}

async fn applying(office: &Office<'_>, sheet: &mut Sheet) {
    let found = async {
        let portal = office.by("portal", "manager");
        Ok(portal.apply(&portal.form("hotel", "汴京饭店", "东大街1号")).await?.outcome())
    };
    let promise = "the app is the only way to apply";
    sheet.rule("only-the-app", "S4 02", promise, "422 invalid-field channel", found).await;

    let found = async {
        let form = office.form("hotel", "汴京饭店", "东大街1号");
        let mut fields = Vec::new();
        for missing in ["category", "name", "district", "address"] {
            fields.push(office.apply(&with(&form, &json!({(missing): null}))).await?.outcome());
        }
        for missing in ["name", "phone"] {
            let responsible = with(&form["responsible"], &json!({(missing): null}));
            fields.push(office.apply(&with(&form, &json!({"responsible": responsible}))).await?.outcome());
        }
        Ok(list(fields.iter().map(|outcome| outcome.trim_start_matches("422 missing-field ").to_owned())))
    };
    let promise = "kind, name, district, address, person responsible and phone must be filled in";
    let expected = "category, name, district, address, responsible.name, responsible.phone";
    sheet.rule("fields", "S4 04", promise, expected, found).await;

    let found = async {
        let path = office.submit(&office.form("hotel", "宋都饭店", "东大街")).await?;
        let mut states = Vec::new();
        let vague = json!({"outcome": "reject", "reason": "vague_address", "note": "几号？"});
        states.push(state(&office.review(&path, &vague).await?));
        let (path, again) = office.decided(&office.form("hotel", "宋都饭店", "东大街3号")).await?;
        states.extend([state(&again), state(&office.approve(&path).await?)]);
        let path = office.submit(&office.form("hotel", "宋城饭店", "东大街5号")).await?;
        states.push(state(&office.review(&path, &json!({"outcome": "reject", "reason": "wrong_data"})).await?));
        Ok(list(states))
    };
    let promise = "what is vague or wrong is rejected, and applied for again";
    let expected = "rejected vague_address, submitted, approved, rejected wrong_data";
    sheet.rule("rejected", "S4 04", promise, expected, found).await;

    let found = async {
        let mut states = Vec::new();
        for address in
            ["中山路123号2楼", "中山路123号2楼", "中山路１２３號二樓", "中山路一百二十三号 2楼", "中山路124号2楼"]
        {
            states.push(office.state(&office.form("hotel", "大梁门酒店", address)).await?);
        }
        Ok(list(states))
    };
    let promise = "what was applied for already is rejected, also in full-width or Chinese numerals";
    let expected = "submitted, rejected duplicate, rejected duplicate, rejected duplicate, submitted";
    sheet.rule("duplicates", "S4 04", promise, expected, found).await;

    let found = async {
        let mut states = Vec::new();
        for door in ["东门", "西门"] {
            let form = office.form("hotel", "铁塔酒店", "北门大街1号");
            states.push(office.state(&with(&form, &json!({"door": door}))).await?);
        }
        Ok(list(states))
    };
    let promise = "one place, one code: a second door gets none";
    sheet.rule("one-code", "S4 04", promise, "submitted, rejected duplicate", found).await;
}

async fn poster(office: &Office<'_>, shop: &Venue, sheet: &mut Sheet) {
    let (api, operator) = (office.api, office.operator());
    let promise = "the code is put up where it is seen";
    sheet.rule("poster", "S4 2.1", promise, &shop.url, api.qr_code(&operator, shop)).await;
    let apps = ["汴捷办", "微信", "支付宝"];
    let promise = "its poster names the apps that scan it";
    sheet.rule("apps", "S4 2.1", promise, &apps.join(", "), api.words_on(&operator, shop, &apps)).await;
}

fn answers(person: &Person) -> Value {
    json!({"name": "赵敏", "document": person.document(), "address": "开封市龙亭区中山路9号", "severe_area": false,
        "contact": false, "temperature": true})
}

async fn register(api: &Api, known: &Known, form: &str, answers: &Value) -> anyhow::Result<Value> {
    let body = json!({"form": form, "answers": answers});
    api.post(&Caller::citizen(known.key), "/v1/people", &body).await?.ok()
}

async fn registering(api: &Api, shop: &Venue, sheet: &mut Sheet) {
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
    let promise = "without them, or with wrong ones, nobody passes";
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

async fn by_others(api: &Api, shop: &Venue, sheet: &mut Sheet) {
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
    let promise = "its own district: another one sees none";
    sheet.rule("own-district", "S4 2.3", promise, "0", api.alerts_elsewhere(SHUNHE)).await;
    let promise = "the person is taken over in a closed loop";
    let expected = "acknowledged, disposed, 闭环转运";
    sheet.rule("transferred", "S4 07", promise, expected, api.handled(LONGTING, &venue)).await;
    Ok(())
}

async fn freight(office: &Office<'_>, sheet: &mut Sheet) -> anyhow::Result<()> {
    let api = office.api;
    let checkpoint = office.issue(&office.form("freight_checkpoint", "连霍高速开封站", "连霍高速")).await?;
    let form = |person: &Person| {
        json!({"name": "李刚", "document": person.document(), "plate": "豫B12345", "phone": "13800000000",
            "origin": "山东菏泽", "entry_point": "兰考", "expected_return": time(ago(-24 * 60)),
            "expected_leave": time(ago(-48 * 60)), "fever_cough": false, "risk_area": false})
    };
    let found = async {
        let driver = api.tested("green").await?;
        let first = api.scan_own(&checkpoint, &driver, json!({})).await?;
        let asked = format!("{} {}", first.verdict(), first.json["form"].as_str().unwrap_or("no form"));
        register(api, &driver, "freight", &form(&driver.person)).await?;
        let later = json!({"last_four": driver.person.last_four()});
        Ok(format!("{asked}; {}", api.scan_own(&checkpoint, &driver, later).await?.verdict()))
    };
    let promise = "lorry crews fill in the freight form, and pass with the last four";
    let expected = "409 registration-required freight; admit";
    sheet.rule("freight-scan", "S4 2.2, 05", promise, expected, found).await;
    let promise = "crews with an abnormal code do not pass, and the district is told";
    let found = async {
        let seen = api.seen(&checkpoint, &api.tested("red").await?.person, "venue_code").await?;
        Ok(format!("{seen}; {}", api.alerted(LONGTING, &checkpoint, 1).await?))
    };
    sheet.rule("freight-alert", "S4 2.3", promise, "refuse colour_red; abnormal_colour red", found).await;
    let words = ["专属场所码", "电子通行证"];
    let promise = "the poster says that it is the freight code, and asks for the pass";
    let operator = office.operator();
    let found = api.words_on(&operator, &checkpoint, &words);
    sheet.rule("freight-poster", "S4 2.2", promise, &words.join(", "), found).await;
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
    let promise = "and serves to trace contacts";
    sheet.rule("contacts", "S4 01", promise, "第一楼", api.traced((index.key, contact.key), &venue, 2)).await;
    Ok(())
}

fn gaps(sheet: &mut Sheet) {
    sheet.gap(
        "S4 2.2",
        "trips declared in advance, closed at the destination",
        "freight codes are scanned; trips are not followed",
    );
    sheet.gap("S4 2.2", "checkpoints can be looked up", "a code can, a list of checkpoints cannot");
    sheet.gap("S4 2.3", "the vehicle is stopped as well", "the person only");
    sheet.gap("S4 3.1", "places without a code are reminded, and worse", "nothing yet");
    sheet.gap(
        "S4 2.1",
        "WeChat and Alipay open a page from the code",
        "the QR code is a URL, without a page behind it",
    );
}
