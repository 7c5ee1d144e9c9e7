//! Codes for the places and the lorries of Kaifeng (S4: articles 1.1 and 1.2, questions 02 to 04).

use serde_json::json;

use crate::cities::api::{list, with};
use crate::cities::door::text;
use crate::cities::office::{Office, state};
use crate::cities::sheet::Sheet;

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

pub(super) async fn kinds(office: &Office<'_>, sheet: &mut Sheet) {
    let form = |id: &str| office.form(id, id, &format!("西大街{id}"));
    let promise = "each kind of public place gets a code in its name";
    sheet.rule("kinds", "S4 1.1, 03", promise, "24 of 24", async { Ok(office.kinds(&KINDS, form).await?.1) }).await;
    let promise = "checkpoints and destinations get the freight code";
    sheet
        .rule("freight-kinds", "S4 1.2, 02", promise, "2 of 2", async { Ok(office.kinds(&FREIGHT, form).await?.1) })
        .await;
    let found = async {
        let mut kinds = Vec::new();
        for (id, word) in FREIGHT {
            let (_, application) = office.decided(&office.form(id, &format!("{word}乙"), "东京大道")).await?;
            kinds.push(text(&application, "/kind")?.to_owned());
        }
        Ok(list(kinds))
    };
    let expected = "freight_checkpoint, freight_destination";
    sheet.rule("freight-apart", "S4 02", "the freight code is one of another kind", expected, found).await;
}

pub(super) async fn applying(office: &Office<'_>, sheet: &mut Sheet) {
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
