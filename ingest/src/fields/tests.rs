use proptest::prelude::*;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Outer<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(default)]
    count: Option<u8>,
    #[serde(borrow, default, deserialize_with = "optional_inner")]
    inner: Option<Inner<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Inner<'a> {
    #[serde(borrow)]
    number: Text<'a>,
}

impl<'a> Object<'a> for Outer<'a> {
    const FIELDS: &'static [Field] = &[
        Field::required::<String>("name", || "expected a text".to_owned()),
        Field::optional::<Option<u8>>("count", || "expected 0 to 255".to_owned()),
        Field {
            name: "inner",
            required: false,
            holds: Holds::Object(&[Field::required::<String>("number", || "expected a number".to_owned())]),
        },
    ];
}

fn error(text: &str) -> (u16, Option<String>, String) {
    let problem = read::<Outer<'_>>(text.as_bytes()).unwrap_err().problem();
    (problem.status, problem.field, problem.detail.unwrap_or_default())
}

#[test]
fn a_text_is_borrowed_unless_it_has_escapes() {
    let plain: Outer<'_> = read(br#"{"name":"a"}"#).expect("reads");
    assert!(matches!(plain.name.0, Cow::Borrowed("a")));
    let escaped: Outer<'_> = read(br#"{"name":"\u0061\n","count":null,"inner":null}"#).expect("reads");
    assert_eq!(&*escaped.name, "a\n");
}

#[test]
fn each_fault_names_its_field_and_no_value() {
    let field = |name: &str| Some(name.to_owned());
    assert_eq!(error(r#"{"name":7}"#), (422, field("name"), "expected a text".into()));
    assert_eq!(error(r#"{"name":"a","count":"secret"}"#), (422, field("count"), "expected 0 to 255".into()));
    assert_eq!(error("{}").1, field("name"));
    assert_eq!(error(r#"{"name":"a","nmae":1}"#).1, field("nmae"));
    assert_eq!(error(r#"{"name":"a","name":"b"}"#), (422, field("name"), "expected this field once".into()));
    assert_eq!(error(r#"{"name":"a","inner":{"number":1}}"#).1, field("inner.number"));
    assert_eq!(error(r#"{"name":"a","inner":{"number":"1","number":"2"}}"#).1, field("inner.number"));
    assert_eq!(error(r#"{"name":"a","inner":{}}"#).1, field("inner.number"));
    assert_eq!(error(r#"{"name":"a","inner":[]}"#).1, field("inner"));
    assert_eq!(error("[1]"), (422, None, "expected a JSON object".into()));
}

#[test]
fn an_array_of_the_right_values_is_no_object() {
    assert_eq!(error(r#"["a", 1, {"number": "1"}]"#), (422, None, "expected a JSON object".into()));
    let (status, field, _) = error(r#"{"name": "a", "inner": ["1"]}"#);
    assert_eq!((status, field.as_deref()), (422, Some("inner")));
    assert!(read::<Outer<'_>>(br#" {"name": "a", "inner": {"number": "1"}}"#).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_a_refusal_repeats_no_value(
        name in "\\PC{0,8}|[0-9]{1,9}", field in "name|count|inner|other", text in "[{}\\[\\]\":,a-z0-9]{0,40}",
    ) {
        let json = serde_json::json!({"name": "x", field: format!("SECRET{name}")}).to_string();
        if let Err(error) = read::<Outer<'_>>(json.as_bytes()) {
            let problem = error.problem();
            prop_assert!(problem.field.is_some());
            prop_assert!(!problem.detail.unwrap_or_default().contains("SECRET"));
        }
        let _ = read::<Outer<'_>>(text.as_bytes());
    }
}

#[test]
fn what_is_not_json_is_told_by_place() {
    assert_eq!(error(r#"{"name":"secret"#).0, 400);
    assert_eq!(error(r#"{"name":secret}"#), (400, None, "not JSON: unexpected text at line 1, column 9".into()));
    assert_eq!(error("").0, 400);
    assert_eq!(error(r#"{"name":"a"} x"#).0, 400);
    assert_eq!(read::<Outer<'_>>(b"{\"name\":\"\xff\"}").unwrap_err().problem().status, 400);
}
