//! City profiles through the gateway: each city as its notice says, and one that is only a file.

use schemas::{Exemption, Method};
use serde_json::{Value, json};

use crate::gateway::{Gateway, PERSON, venue_line};

/// A city that the code knows nothing of; tests run in their package's folder.
const HAIGANG: &str = "tests/it/cities/haigang.toml";
/// Valid numbers of nobody, born in 1950, 1980 and 2010.
const SENIOR: &str = "340524195001010016";
const ADULT: &str = "34052419800101001X";
const MINOR: &str = "340524201001010014";

async fn city(name: &str) -> Gateway {
    Gateway::start_with(|config| config.city.name = name.to_owned()).await
}

/// Loads a venue of a category, with a door.
async fn load(gateway: &Gateway, venue: u32, category: &str) {
    let mut line = venue_line(venue);
    line["category"] = category.into();
    line["door"] = "东门".into();
    assert_eq!(gateway.batch("/v1/venues:batch", &[line]).await.ok()["accepted"], 1, "{category}");
}

fn card(number: &str) -> Value {
    json!({"type": "id_card", "number": number})
}

#[tokio::test]
async fn adding_a_city_is_adding_a_file() {
    let gateway = city(HAIGANG).await;
    load(&gateway, 7, "ferry").await;
    let refused = gateway.batch("/v1/venues:batch", &[venue_line(8)]).await.ok();
    assert_eq!(refused["lines"][0]["problem"]["field"], "category", "catering is none of its categories");

    let answer = gateway.scan(&json!({"venue": 7, "person": PERSON})).await.ok();
    assert_eq!((&answer["verdict"], &answer["reasons"]), (&json!("refuse"), &json!(["test_missing"])), "{answer}");
    gateway.load_healthy("2123456789abcdef").await;
    let answer = gateway.scan(&json!({"venue": 7, "person": PERSON})).await.ok();
    assert_eq!(answer["message"]["zh"], "需24小时内核酸检测，不能进入", "{answer}");

    let crew = json!({"venue": 7, "person": PERSON, "exemption": "ferry_crew"});
    let answer = gateway.scan(&crew).await.ok();
    assert_eq!((&answer["verdict"], &answer["reasons"]), (&json!("admit"), &json!(["test_missing", "exempted"])));
    let tested = json!({"person": PERSON, "sampled_at": crate::gateway::ago(60), "resulted_at": crate::gateway::ago(30),
        "result": "negative", "laboratory": "L1"});
    assert_eq!(gateway.batch("/v1/tests:batch", &[tested]).await.ok()["accepted"], 1);
    let by_staff = json!({"venue": 7, "person": PERSON, "method": "reverse_scan", "offline_reason": "sailor"});
    let answer = gateway.scan(&by_staff).await.ok();
    assert_eq!(answer["message"], json!({"zh": "请登船", "en": "Welcome aboard"}), "{answer}");
    assert_eq!(answer["speech"], json!({"zh": "欢迎登船", "en": "Welcome"}));
    assert_eq!(answer["venue"]["door"], "东门");

    for (field, value) in [("exemption", "urgent_medical"), ("method", "manual"), ("offline_reason", "senior")] {
        let mut scan = by_staff.clone();
        scan[field] = value.into();
        let (status, _, refused) = gateway.scan(&scan).await.refusal();
        assert_eq!((status, refused.as_deref()), (422, Some(field)), "{value}");
    }
    let stored = gateway.stored_scans().await;
    let mut kept: Vec<_> = stored.iter().map(|scan| (scan.method, scan.exemption)).collect();
    kept.sort_unstable();
    let code = Method::VenueCode;
    assert_eq!(
        kept,
        [
            (code, Exemption::None),
            (code, Exemption::None),
            (code, Exemption::Other),
            (Method::ReverseScan, Exemption::None)
        ]
    );
    gateway.stop().await;
}

/// What a city says to a scan at one of its venues: taken, or the field that it refuses.
async fn taken(gateway: &Gateway, mut scan: Value) -> Result<(), String> {
    scan["venue"] = 7.into();
    let answer = gateway.scan(&scan).await;
    if answer.status == 200 {
        return Ok(());
    }
    let (status, kind, field) = answer.refusal();
    assert_eq!((status, kind.as_str()), (422, "not-eligible"), "{scan}");
    Err(field.expect("names its field"))
}

/// S3: a paper offline code is for minors, seniors and disabled people; S0: by hand for who has no smartphone.
#[tokio::test]
async fn shanghai_registers_by_others_only_whom_s3_and_s0_name() {
    let gateway = city("shanghai").await;
    load(&gateway, 7, "catering").await;
    let reverse = |number: &str| json!({"document": card(number), "method": "reverse_scan"});
    let refused = Err("offline_reason".to_owned());
    assert_eq!(taken(&gateway, reverse(SENIOR)).await, Ok(()));
    assert_eq!(taken(&gateway, reverse(MINOR)).await, Ok(()));
    assert_eq!(taken(&gateway, reverse(ADULT)).await, refused);
    let mut disabled = reverse(ADULT);
    disabled["offline_reason"] = "disabled".into();
    assert_eq!(taken(&gateway, disabled).await, Ok(()));
    let by_hand = |reason: &str| json!({"person": PERSON, "method": "manual", "offline_reason": reason});
    assert_eq!(taken(&gateway, by_hand("no_smartphone")).await, Ok(()));
    assert_eq!(taken(&gateway, by_hand("disabled")).await, refused);
    for method in ["venue_code", "sentinel_health_code", "sentinel_id_card"] {
        assert_eq!(taken(&gateway, json!({"document": card(ADULT), "method": method})).await, Ok(()));
    }
    // In a batch each line is judged by itself.
    let lines =
        [json!({"venue": 7, "document": card(ADULT), "method": "manual"}), json!({"venue": 7, "person": PERSON})];
    let answer = gateway.batch("/v1/scans:batch", &lines).await.ok();
    assert_eq!(answer["lines"][0]["problem"]["field"], "offline_reason", "{answer}");
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(1), &json!(1)));
    gateway.stop().await;
}

/// S2 does away with registering by hand; S4 keeps it and has no offline codes; neither has sentinels.
#[tokio::test]
async fn fuyang_and_kaifeng_have_the_methods_of_their_notices() {
    let scan = |method: &str, reason: &str| json!({"person": PERSON, "method": method, "offline_reason": reason});
    let fuyang = city("fuyang").await;
    load(&fuyang, 7, "street_shop").await;
    let method = Err("method".to_owned());
    assert_eq!(taken(&fuyang, scan("reverse_scan", "offline_code")).await, Ok(()));
    assert_eq!(taken(&fuyang, scan("manual", "no_smartphone")).await, method);
    assert_eq!(taken(&fuyang, json!({"person": PERSON, "method": "sentinel_id_card"})).await, method);
    fuyang.load_healthy(PERSON).await;
    let answer = fuyang.scan(&json!({"venue": 7, "person": PERSON})).await.ok();
    assert_eq!(answer["message"]["zh"], "绿码通行");
    fuyang.stop().await;

    let kaifeng = city("kaifeng").await;
    load(&kaifeng, 7, "freight_checkpoint").await;
    let lorry = |method: &str| {
        let mut scan = scan(method, "elderly");
        scan["plate"] = "豫B12345".into();
        scan
    };
    assert_eq!(taken(&kaifeng, lorry("manual")).await, Ok(()));
    assert_eq!(taken(&kaifeng, lorry("reverse_scan")).await, method);
    let mut ill = lorry("manual");
    (ill["venue"], ill["symptoms"]) = (7.into(), true.into());
    let answer = kaifeng.scan(&ill).await.ok();
    assert_eq!(answer["reasons"], json!(["health_unknown", "symptoms"]));
    assert_eq!(answer["message"]["zh"], "健康码暂时无法查询、申报有症状，不能进入，请在原地等候工作人员");
    kaifeng.stop().await;
}

#[tokio::test]
async fn what_the_feeds_have_not_told_is_not_denied() {
    let gateway = city("shanghai").await;
    load(&gateway, 7, "catering").await;
    let scan = json!({"venue": 7, "person": PERSON});
    let answer = gateway.scan(&scan).await.ok();
    assert_eq!(answer["unavailable"], json!(["colour", "health_since", "health_age_s", "last_test"]), "{answer}");
    assert_eq!(answer["verdict"], "refuse");
    assert_eq!(answer["message"]["zh"], "健康码暂时无法查询、核酸检测结果暂时无法查询，不能进入");
    gateway.load_healthy("2123456789abcdef").await;
    let answer = gateway.scan(&scan).await.ok();
    assert_eq!(answer["unavailable"], json!([]), "{answer}");
    assert_eq!((&answer["last_test"], &answer["colour"]), (&Value::Null, &json!("unknown")));
    assert_eq!(answer["message"]["zh"], "未查询到健康码、未查询到核酸检测结果，不能进入");
    gateway.stop().await;
}
