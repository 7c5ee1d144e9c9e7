//! What a person answers to a form of the city: each field by its type (S4, question 05). Pure.

use schemas::{
    Document, DocumentType, Plate,
    city::{Declares, FieldType, Form, FormField},
    plate::PlateError,
};
use serde_json::{Map, Value};

use crate::{
    error::IngestError,
    fields::{MAX_NAME_CHARS as MAX_ID_CHARS, fits, one_of},
    person::{MAX_PERSON_CHARS, PHONE, is_phone},
    time,
    venue_fields::{MAX_ADDRESS_CHARS, MAX_NAME_CHARS},
};

const DOCUMENT: &str = "expected an object with type and number";

/// Answers that are in order. Without debug output: everything in it names a person.
pub struct Answers {
    /// What identifies the person.
    pub document: Document,
    /// All of them, as they are sealed.
    pub fields: Map<String, Value>,
    /// What is declared by them.
    pub declares: Vec<Declares>,
}

impl Answers {
    /// Reads the answers to a form.
    ///
    /// # Errors
    /// When a field is unknown, missing or of another type; the error names it and repeats no value.
    pub fn read(form: &Form, answers: &Map<String, Value>) -> Result<Self, IngestError> {
        if let Some(unknown) = answers.keys().find(|id| !form.fields.iter().any(|field| field.id == **id)) {
            let field = format!("answers.{}", unknown.chars().take(MAX_ID_CHARS).collect::<String>());
            let known = form.fields.iter().map(|field| field.id.as_str()).collect::<Vec<_>>().join(", ");
            return Err(IngestError::UnknownField { field, known });
        }
        let (mut document, mut fields, mut declares) = (None, Map::new(), Vec::new());
        for field in &form.fields {
            let name = || format!("answers.{}", field.id);
            let Some(value) = answers.get(&field.id).filter(|value| !value.is_null()) else {
                if field.required {
                    return Err(IngestError::missing(name(), expected(field.kind)));
                }
                continue;
            };
            let normal = if field.kind == FieldType::Document {
                let read = read_document(&name(), value)?;
                let normal = serde_json::json!({"type": read.kind(), "number": read.number()});
                document = document.or(Some(read));
                normal
            } else {
                read_value(field.kind, value).ok_or_else(|| IngestError::invalid(name(), expected(field.kind)))?
            };
            declares.extend(declared(field, &normal).filter(|what| !declares.contains(what)));
            fields.insert(field.id.clone(), normal);
        }
        // A profile without a required document is refused at start.
        let document = document.ok_or(IngestError::Internal)?;
        Ok(Self { document, fields, declares })
    }
}

fn declared(field: &FormField, value: &Value) -> Option<Declares> {
    field.declared_by(value.as_bool()?)
}

fn expected(kind: FieldType) -> String {
    match kind {
        FieldType::Text => format!("expected a text of 1 to {MAX_PERSON_CHARS} characters"),
        FieldType::Document => DOCUMENT.to_owned(),
        FieldType::Phone => PHONE.to_owned(),
        FieldType::Address => format!("expected an address of 1 to {MAX_ADDRESS_CHARS} characters"),
        FieldType::YesNo | FieldType::TemperatureNormal => "expected true or false".to_owned(),
        FieldType::Plate => PlateError.to_string(),
        FieldType::Place => format!("expected a place of 1 to {MAX_NAME_CHARS} characters"),
        FieldType::Time => time::EXPECTED.to_owned(),
    }
}

/// The value as it is kept; `None` when it is none of this type.
fn read_value(kind: FieldType, value: &Value) -> Option<Value> {
    let text = |max_chars| value.as_str().filter(|text| fits(text, max_chars)).map(Value::from);
    match kind {
        FieldType::Text => text(MAX_PERSON_CHARS),
        FieldType::Address => text(MAX_ADDRESS_CHARS),
        FieldType::Place => text(MAX_NAME_CHARS),
        FieldType::Phone => value.as_str().filter(|text| is_phone(text)).map(Value::from),
        FieldType::Plate => Plate::try_new(value.as_str()?).ok().map(|plate| plate.as_str().into()),
        FieldType::Time => value.as_str().filter(|text| time::parse(text).is_some()).map(Value::from),
        FieldType::YesNo | FieldType::TemperatureNormal => value.as_bool().map(Value::from),
        FieldType::Document => None,
    }
}

fn read_document(name: &str, value: &Value) -> Result<Document, IngestError> {
    let object = value.as_object().ok_or_else(|| IngestError::invalid(name.to_owned(), DOCUMENT))?;
    if let Some(other) = object.keys().find(|key| !["type", "number"].contains(&key.as_str())) {
        let field = format!("{name}.{}", other.chars().take(MAX_ID_CHARS).collect::<String>());
        return Err(IngestError::UnknownField { field, known: "type, number".to_owned() });
    }
    let part = |part: &str| object.get(part).and_then(Value::as_str);
    let kinds = [DocumentType::IdCard, DocumentType::Passport, DocumentType::Permit];
    let Some(kind) = kinds.into_iter().find(|kind| part("type") == Some(kind.as_str())) else {
        return Err(IngestError::invalid(format!("{name}.type"), one_of(kinds.map(DocumentType::as_str))));
    };
    let number = format!("{name}.number");
    match part("number") {
        None => Err(IngestError::missing(number, "expected the number as a text")),
        Some(text) => Document::try_new(kind, text).map_err(|error| IngestError::invalid(number, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::CityProfile;
    use serde_json::json;

    use super::*;

    fn form(freight: bool) -> Form {
        let city = CityProfile::try_built_in("kaifeng").expect("valid");
        if freight { city.freight_form.expect("Kaifeng has it") } else { city.venue_form }
    }

    fn venue() -> Value {
        json!({"name": "张三丰", "document": {"type": "id_card", "number": "34052419800101001x"}, "address": "开封市龙亭区1号",
            "severe_area": false, "contact": false, "temperature": true})
    }

    fn freight() -> Value {
        json!({"name": "李四", "document": {"type": "passport", "number": "E1234567"}, "plate": "豫b12345", "phone": "13800000000",
            "origin": "山东菏泽", "entry_point": "兰考", "expected_return": "2022-04-20T08:00:00+08:00",
            "expected_leave": "2022-04-22T08:00:00+08:00", "fever_cough": false, "risk_area": false})
    }

    fn read(form: &Form, answers: &Value) -> Result<Answers, IngestError> {
        Answers::read(form, answers.as_object().expect("an object"))
    }

    fn fault(freight_form: bool, answers: &Value) -> Option<(String, String)> {
        let problem = read(&form(freight_form), answers).err()?.problem();
        Some((problem.field.expect("names its field"), problem.kind.replace("urn:venuecode:problem:", "")))
    }

    #[test]
    fn answers_in_order_are_kept_as_they_are_normalised() {
        let answers = read(&form(false), &venue()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(answers.document.number(), "34052419800101001X");
        assert_eq!(answers.fields["document"]["number"], "34052419800101001X");
        assert_eq!((answers.fields.len(), answers.declares.as_slice()), (6, [].as_slice()));
        let answers = read(&form(true), &freight()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(answers.fields["plate"], "豫B12345");
    }

    #[test]
    fn worrying_answers_are_declared_once_each() {
        let mut answers = venue();
        answers["severe_area"] = true.into();
        answers["contact"] = true.into();
        answers["temperature"] = false.into();
        let read = read(&form(false), &answers).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.declares, [Declares::Risk, Declares::Symptoms]);
    }

    #[test]
    fn each_wrong_field_is_named() {
        for (freight_form, id, value, field, kind) in [
            (false, "name", json!(" "), "answers.name", "invalid-field"),
            (false, "name", json!(7), "answers.name", "invalid-field"),
            (false, "name", Value::Null, "answers.name", "missing-field"),
            (false, "nmae", json!("x"), "answers.nmae", "unknown-field"),
            (false, "document", json!("x"), "answers.document", "invalid-field"),
            (false, "document", json!({"type": "id_card"}), "answers.document.number", "missing-field"),
            (false, "document", json!({"type": "other", "number": "1"}), "answers.document.type", "invalid-field"),
            (
                false,
                "document",
                json!({"type": "id_card", "number": "340524198001010016"}),
                "answers.document.number",
                "invalid-field",
            ),
            (
                false,
                "document",
                json!({"type": "permit", "number": "H1", "x": 1}),
                "answers.document.x",
                "unknown-field",
            ),
            (false, "address", json!("x".repeat(201)), "answers.address", "invalid-field"),
            (false, "contact", json!("no"), "answers.contact", "invalid-field"),
            (true, "plate", json!("B12345"), "answers.plate", "invalid-field"),
            (true, "plate", json!("豫B1234"), "answers.plate", "invalid-field"),
            (true, "phone", json!("12"), "answers.phone", "invalid-field"),
            (true, "origin", json!(""), "answers.origin", "invalid-field"),
            (true, "expected_leave", json!("tomorrow"), "answers.expected_leave", "invalid-field"),
        ] {
            let mut answers = if freight_form { freight() } else { venue() };
            answers[id] = value;
            assert_eq!(fault(freight_form, &answers), Some((field.to_owned(), kind.to_owned())), "{answers}");
        }
        for id in form(true).fields.iter().map(|field| field.id.clone()) {
            let mut answers = freight();
            answers.as_object_mut().expect("an object").remove(&id);
            assert_eq!(fault(true, &answers), Some((format!("answers.{id}"), "missing-field".to_owned())));
        }
    }

    proptest! {
        #[test]
        fn a_refusal_repeats_no_value(id in "name|document|address|contact", value in "SECRET[a-z0-9]{0,8}") {
            for value in [json!(value), json!([value]), json!({"type": value, "number": value}), json!({"type": "id_card", "number": value})] {
                let mut answers = venue();
                answers[&id] = value;
                if let Err(error) = read(&form(false), &answers) {
                    let problem = serde_json::to_string(&error.problem()).expect("serialises");
                    prop_assert!(!problem.contains("SECRET"), "{}", problem);
                }
            }
        }
    }
}
