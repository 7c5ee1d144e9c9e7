//! Seals what a person answered to a form, and opens it again. Who may open it is decided elsewhere.

use anyhow::Context;
use schemas::{IdentityEvent, KeyRing, PersonKey, city::FormKind, events::VERSION};
use serde_json::{Map, Value};

use crate::sealing::{self, Place, SealError};

/// Whose answers to which form, in which version of the message: they open only as these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose {
    /// The person.
    pub person: PersonKey,
    /// The form.
    pub form: FormKind,
    /// The version.
    pub v: u8,
}

impl Whose {
    fn place(self) -> Place<Vec<u8>> {
        let record = [&self.person.to_u64().to_be_bytes(), self.form.as_str().as_bytes(), &[self.v]].concat();
        Place { record, field: "identity" }
    }
}

impl From<&IdentityEvent> for Whose {
    fn from(event: &IdentityEvent) -> Self {
        Self { person: event.person, form: event.form, v: event.v }
    }
}

/// Seals a person's answers.
///
/// # Errors
/// [`SealError`].
pub fn seal(
    keys: &KeyRing,
    person: PersonKey,
    form: FormKind,
    answers: &Map<String, Value>,
) -> Result<String, SealError> {
    let text = serde_json::to_vec(answers).map_err(|_| SealError)?;
    sealing::seal(keys, Whose { person, form, v: VERSION }.place(), &text)
}

/// Opens a person's answers.
///
/// # Errors
/// When the key is not in the ring, or the record was changed or put together of others.
pub fn open(keys: &KeyRing, whose: Whose, sealed: &str) -> anyhow::Result<Map<String, Value>> {
    let text = sealing::open(keys, whose.place(), sealed)?;
    serde_json::from_slice(&text).ok().context("the answers are no JSON object")
}

/// The same record under the ring's active key; `None` when it is there already.
///
/// # Errors
/// As [`open`].
pub fn rewrap(keys: &KeyRing, event: &IdentityEvent) -> anyhow::Result<Option<IdentityEvent>> {
    let sealed = sealing::rewrap(keys, Whose::from(event).place(), &event.sealed)?;
    Ok(sealed.map(|sealed| IdentityEvent { sealed, ..event.clone() }))
}

#[cfg(test)]
mod tests {
    use schemas::{DocumentType, Tail};
    use serde_json::json;

    use super::*;

    fn ring(text: &str) -> KeyRing {
        KeyRing::try_parse(text).expect("valid")
    }

    #[test]
    fn answers_open_only_as_those_of_this_person_to_this_form() {
        let keys = ring(&format!("1:{}", "aa".repeat(32)));
        let person: PersonKey = "1123456789abcdef".parse().expect("valid");
        let Value::Object(answers) = json!({"name": "张三丰"}) else { panic!("no object") };
        let event = IdentityEvent {
            v: VERSION,
            person,
            form: FormKind::Venue,
            document: DocumentType::IdCard,
            registered_at: 1_653_000_000,
            guardian: None,
            tail: Tail::from_u16(1).expect("14 bits"),
            sealed: seal(&keys, person, FormKind::Venue, &answers).expect("seals"),
        };
        let open = |keys: &KeyRing, event: &IdentityEvent| open(keys, event.into(), &event.sealed);
        assert_eq!(open(&keys, &event).expect("opens"), answers);
        assert!(!serde_json::to_string(&event).expect("serialises").contains("张三丰"));
        let other = IdentityEvent { person: "1123456789abcdee".parse().expect("valid"), ..event.clone() };
        assert!(open(&keys, &other).is_err(), "another person");
        assert!(open(&keys, &IdentityEvent { form: FormKind::Freight, ..event.clone() }).is_err(), "another form");
        assert!(open(&keys, &IdentityEvent { v: 2, ..event.clone() }).is_err(), "another version");

        let both = ring(&format!("1:{}\n2:{}", "aa".repeat(32), "bb".repeat(32)));
        let rewrapped = rewrap(&both, &event).expect("opens").expect("was under version 1");
        assert_eq!(open(&ring(&format!("2:{}", "bb".repeat(32))), &rewrapped).expect("opens"), answers);
        assert_eq!(rewrap(&both, &rewrapped).expect("opens"), None);
    }
}
