//! Each city's profile, held against the words of its notice.

use super::*;
use crate::Method;

/// Names of the categories of a group, in order.
fn names(city: &CityProfile, group: &str) -> Vec<String> {
    let of_group = city.categories.iter().filter(|category| category.group == group);
    of_group.map(|category| category.name.zh.clone()).collect()
}

fn kinds(city: &CityProfile, kind: VenueKind) -> Vec<&str> {
    city.categories.iter().filter(|category| category.kind == kind).map(|category| category.name.zh.as_str()).collect()
}

fn zh<'a>(names: impl IntoIterator<Item = &'a Bilingual>) -> Vec<&'a str> {
    names.into_iter().map(|name| name.zh.as_str()).collect()
}

/// S3: "范围包括居民小区、……其他公共场所等", with restaurants named twice.
#[test]
fn shanghai_has_the_classes_of_s3_in_its_order() {
    let s3 = "居民小区、经营性住宿场所、公共交通场所、医疗服务场所、餐饮服务场所、餐饮服务场所、文化旅游体育场所、金融服务场所、\
              商业服务场所、教育服务场所、养老和救助服务场所、建设工地、宗教场所、物流网点、办公生产场所、机关事业单位、公用事业单位、\
              其他公共场所";
    let mut listed: Vec<_> = s3.split('、').collect();
    assert_eq!(listed.len(), 18);
    listed.dedup();
    let city = city("shanghai");
    assert_eq!(zh(city.groups.iter().map(|group| &group.name)), listed);
    for group in &city.groups {
        assert_eq!(city.category(&group.id).map(|category| &category.name), Some(&group.name));
    }
}

/// S0, article 1.
#[test]
fn shanghai_has_every_kind_of_s0() {
    let s0 = "学校、居民小区、机关事业单位、政务服务中心、商业综合体、农贸市场、商场超市、影剧院、公共场馆、酒吧餐饮、宾馆旅店、\
              健身休闲、旅游景点、公园、宗教活动场所、互联网上网服务营业场所、娱乐场所、服务场所、医疗机构、培训机构、快递末端网点、\
              厂企、长途汽车站、机场、客运码头";
    let city = city("shanghai");
    for kind in s0.split('、') {
        assert_eq!(city.categories.iter().filter(|category| category.name.zh == kind).count(), 1, "{kind}");
    }
    // 17 classes of S3 and 25 kinds of S0, two of them the same.
    assert_eq!(city.categories.len(), 17 + s0.split('、').count() - 2);
}

/// Ids that scans are stored with; none may go.
#[test]
fn the_ids_of_shanghai_stay() {
    let ids = "residential_compound lodging transport medical catering culture_tourism_sport finance retail education \
               elderly_care construction religion logistics workplace government utility other";
    let city = city("shanghai");
    for id in ids.split_whitespace() {
        assert!(city.category(id).is_some(), "{id}");
    }
}

/// S0: "每个单位通过移动端最多可申请20个", more on the platform; legal person or agent, organisations registered in the city.
#[test]
fn shanghai_gives_an_organisation_twenty_codes_by_phone_and_more_on_the_portal() {
    let application = city("shanghai").application;
    let mobile = application.channel(ChannelKind::Mobile).expect("a channel");
    let portal = application.channel(ChannelKind::Portal).expect("a channel");
    assert_eq!(mobile.quota, 20);
    assert!(portal.quota > 20);
    assert_eq!(mobile.applicants, ["legal_person", "agent"]);
    assert_eq!((application.review, application.registered_in.as_slice()), (Review::Reviewed, &[31][..]));
    assert_eq!(application.organisations.len(), 4);
}

/// S0, S3: code, sentinel with health code or identity card, paper offline code, by hand; either code or sentinel.
#[test]
fn shanghai_has_all_five_methods_and_asks_for_one_of_them() {
    let scanning = city("shanghai").scanning;
    assert_eq!(scanning.methods, Method::ALL);
    assert_eq!(scanning.reverse_scan_for, ["minor", "senior", "disabled"]);
    assert!(scanning.either_or_minutes.is_some());
    assert_eq!(scanning.last_four, None);
}

/// S1, question 2.
#[test]
fn shandong_has_the_eight_groups_of_s1_and_its_vehicles() {
    let city = city("shandong");
    assert_eq!(
        zh(city.groups.iter().map(|group| &group.name)),
        [
            "各宾馆、酒店、饭店、餐饮旅游、文旅娱乐等经营性场所",
            "各商场、超市、农贸市场、物流快递等重点行业场所",
            "各医院、医药门店、诊所等场所",
            "各交通运输、公共交通运营车辆",
            "党政机关、企事业单位",
            "各类居民小区等相对封闭场所",
            "各类学校、幼儿园",
            "其他需要重点管控的公共场所",
        ]
    );
    assert_eq!(names(&city, "hospitality"), ["宾馆", "酒店", "饭店", "餐饮旅游", "文旅娱乐"]);
    assert_eq!(names(&city, "key_industries"), ["商场", "超市", "农贸市场", "物流快递"]);
    assert_eq!(names(&city, "health_care"), ["医院", "医药门店", "诊所"]);
    assert_eq!(kinds(&city, VenueKind::Vehicle)[..4], ["公交车", "出租车", "网约车", "城际班车"]);
}

/// S1, question 4: "根据提示填写申报信息生成“场所码”"; the manager, in the app and its mini programs.
#[test]
fn shandong_issues_codes_at_once() {
    let application = city("shandong").application;
    assert_eq!(application.review, Review::AtOnce);
    assert_eq!(zh(application.applicants.iter().map(|a| &a.name)), ["单位管理员", "负责人"]);
    assert_eq!(application.channel(ChannelKind::Portal), None);
}

/// S2, "应用范围".
#[test]
fn fuyang_has_the_five_groups_of_s2_with_their_members() {
    let s2 = [
        (
            "public_service",
            "政府及公益单位",
            "党政机关事业单位、政务服务大厅、学校、托幼机构、医院、图书馆、博物馆、文化馆、养老服务机构",
        ),
        ("business", "各类经营场所", "餐饮饭店、商场超市、农贸市场、药店、文化娱乐场馆、银行、沿街店铺"),
        (
            "crowded",
            "各类人员密集场所",
            "旅游景区、运动场馆、交通场站、物流园区、公共交通工具、厂矿企业、商务楼宇、建筑工地",
        ),
        ("gatherings", "各类会议培训人员密集活动", "会议培训、文艺演出、体育赛事、团队旅游"),
        ("lodging", "各类居住场所", "宾馆、酒店、民宿、居民小区、公寓"),
    ];
    let city = city("fuyang");
    assert_eq!(city.groups.len(), 5);
    for ((id, name, members), group) in s2.iter().zip(&city.groups) {
        assert_eq!((group.id.as_str(), group.name.zh.as_str()), (*id, *name));
        assert_eq!(names(&city, id), members.split('、').collect::<Vec<_>>());
    }
    assert_eq!(kinds(&city, VenueKind::Event), ["会议培训", "文艺演出", "体育赛事", "团队旅游"]);
    assert_eq!(kinds(&city, VenueKind::Vehicle), ["公共交通工具"]);
}

/// S2: "一门一码一人管理"; three sizes; "杜绝了手工信息登记"; four apps.
#[test]
fn fuyang_gives_each_door_a_code_in_three_sizes_and_registers_nobody_by_hand() {
    let city = city("fuyang");
    assert_eq!((city.application.code_per, city.application.review), (CodePer::Door, Review::Reviewed));
    let sizes: Vec<_> = city.poster.sizes.iter().map(|size| size.millimetres()).collect();
    assert_eq!(sizes, [(210, 297), (600, 900), (800, 1800)]);
    assert!(!city.scanning.methods.contains(&Method::Manual));
    assert_eq!(zh(&city.poster.apps), ["皖事通", "支付宝", "微信", "云闪付"]);
    assert!(city.poster.venue.sentence.zh.contains("绿码通行，不漏一人"));
}

/// S4, article 1.1 and questions 02 and 03.
#[test]
fn kaifeng_has_the_kinds_of_s4_and_two_for_lorries() {
    let s4 = "机关企事业单位、商场超市、农贸市场、宾馆酒店、餐厅饭店、文博场馆、文体休闲娱乐场所、旅游景区、医疗机构、零售药店、\
              学校及校外培训机构、各类监所、养老机构、福利机构、托幼机构、物流快递点、火车站、汽车站、高铁站、轻轨站、高速服务区、\
              建筑工地、宗教场所、居民社区（小区）";
    let city = city("kaifeng");
    let mut listed: Vec<_> = s4.split('、').collect();
    listed.push("其他人员易聚集的场所");
    assert_eq!(names(&city, "venue"), listed);
    assert_eq!(kinds(&city, VenueKind::FreightCheckpoint), ["交通卡口"]);
    assert_eq!(kinds(&city, VenueKind::FreightDestination), ["目的地场所"]);
}

/// S4, question 05.
#[test]
fn kaifeng_asks_what_question_05_lists() {
    let city = city("kaifeng");
    let labels = |kind| zh(city.form(kind).expect("a form").fields.iter().map(|field| &field.label));
    assert_eq!(
        labels(VenueKind::Place),
        ["姓名", "身份证号", "住址信息", "是否到过疫情严重地区", "是否接触过疑似病人", "体温是否正常"]
    );
    assert_eq!(
        labels(VenueKind::FreightCheckpoint),
        [
            "姓名",
            "证件号",
            "车牌号",
            "手机号",
            "来源地",
            "入豫地",
            "预计返豫时间",
            "预计离豫时间",
            "是否有发热、咳嗽症状",
            "是否到过中高风险地区",
        ]
    );
    let declared = |kind, id: &str, yes| {
        let field = city.form(kind).and_then(|form| form.fields.iter().find(|field| field.id == id)).expect("a field");
        field.declared_by(yes)
    };
    assert_eq!(declared(VenueKind::Place, "temperature", false), Some(Declares::Symptoms));
    assert_eq!(declared(VenueKind::Place, "temperature", true), None);
    assert_eq!(declared(VenueKind::Place, "contact", true), Some(Declares::Risk));
    assert_eq!(declared(VenueKind::FreightDestination, "fever_cough", true), Some(Declares::Symptoms));
    assert_eq!(declared(VenueKind::FreightDestination, "risk_area", false), None);
}

/// S4: "一所一码", duplicates rejected, reviewed; later scans by the last four; by hand for whoever cannot scan.
#[test]
fn kaifeng_gives_each_venue_one_code_and_takes_the_last_four() {
    let city = city("kaifeng");
    let application = &city.application;
    assert_eq!((application.code_per, application.review), (CodePer::Venue, Review::Reviewed));
    assert!(application.reject_duplicates);
    assert!(city.scanning.last_four.is_some());
    assert_eq!(city.scanning.methods, [Method::VenueCode, Method::Manual]);
    assert_eq!(zh(&city.poster.apps), ["汴捷办", "微信", "支付宝"]);
}
