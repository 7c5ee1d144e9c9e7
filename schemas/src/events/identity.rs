//! Who a person is, as they or others registered it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EventError, Versioned, check_time, read};
use crate::{DocumentType, PersonKey, Tail, UnixSeconds, city::FormKind};

/// A person's answers to one form, encrypted. Topic `identities`, key: [`IdentityEvent::key`].
///
/// In the clear it says only that a person is registered; the answers are opened by an authorised, recorded trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityEvent {
    /// Message version.
    pub v: u8,
    /// Who.
    pub person: PersonKey,
    /// Which form was filled in.
    pub form: FormKind,
    /// What identifies the person.
    pub document: DocumentType,
    /// When.
    pub registered_at: UnixSeconds,
    /// Who registered them and may scan for them, where they cannot (S4: 由监护人辅助).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian: Option<PersonKey>,
    /// What the last four characters of the document are compared with.
    pub tail: Tail,
    /// The answers as a JSON object, encrypted by the gateway.
    pub sealed: String,
}

impl Versioned for IdentityEvent {
    fn v(&self) -> u8 {
        self.v
    }
}

impl IdentityEvent {
    /// Reads and checks a message.
    ///
    /// # Errors
    /// When it is none of a version known here, or its time is out of range.
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        let event: Self = read(message)?;
        check_time("registered_at", event.registered_at)?;
        Ok(event)
    }

    /// The key of the message: person and form, since compaction keeps one message of each key, and what a driver
    /// answered at a checkpoint does not replace the address that was given at a venue.
    pub fn key(&self) -> String {
        format!("{}/{}", self.person, self.form.as_str())
    }

    /// Person and form of a message's key, for one that only says that they are forgotten.
    pub fn parse_key(key: &[u8]) -> Option<(PersonKey, FormKind)> {
        let (person, form) = std::str::from_utf8(key).ok()?.split_once('/')?;
        Some((person.parse().ok()?, FormKind::from_word(form)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_and_its_key_says_whose_and_which() {
        let event = IdentityEvent {
            v: 1,
            person: "1123456789abcdef".parse().expect("valid"),
            form: FormKind::Freight,
            document: DocumentType::Passport,
            registered_at: 1_653_000_000,
            guardian: None,
            tail: Tail::from_u16(7).expect("14 bits"),
            sealed: "1.a.b".to_owned(),
        };
        let text = serde_json::to_vec(&event).expect("serialises");
        assert_eq!(IdentityEvent::try_parse(&text).expect("reads"), event);
        assert_eq!(event.key(), "1123456789abcdef/freight");
        assert_eq!(IdentityEvent::parse_key(event.key().as_bytes()), Some((event.person, event.form)));
        for broken in ["", "1123456789abcdef", "1123456789abcdef/", "x/venue", "1123456789abcdef/venue/"] {
            assert_eq!(IdentityEvent::parse_key(broken.as_bytes()), None, "{broken}");
        }
        assert!(IdentityEvent::try_parse(&text[1..]).is_err());
    }
}
