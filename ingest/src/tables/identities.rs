//! What the gateway keeps of a registration, in two bytes: which forms were filled in, and what the last four
//! characters of the document are compared with.

use std::{
    io::{self, Read},
    num::NonZeroU16,
};

use schemas::{IdentityEvent, PersonKey, Tail, city::FormKind};

use super::{ordered::Row, sharded::order_of, snapshot::Stored};

/// A person's registrations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registration(u16);

/// The bits of the tail; the two above say which forms there are.
const TAIL: u16 = 0x3fff;

impl Registration {
    /// Whether a form was filled in.
    pub const fn has(self, form: FormKind) -> bool {
        self.0 & bit(form) != 0
    }

    /// Whether any form was filled in.
    pub const fn is_any(self) -> bool {
        self.0 & !TAIL != 0
    }

    /// What the last four characters are compared with; meaningless without any form.
    pub fn tail(self) -> Option<Tail> {
        Tail::from_u16(self.0 & TAIL).filter(|_| self.is_any())
    }

    /// With one more form. The tail is the same for all of them: person and document are.
    pub(super) const fn with(self, event: &IdentityEvent) -> Self {
        Self(self.0 & !TAIL | bit(event.form) | event.tail.to_u16())
    }

    /// Without a form; `None` when none is left.
    pub(super) fn without(self, form: FormKind) -> Option<Self> {
        Some(Self(self.0 & !bit(form))).filter(|left| left.is_any())
    }
}

/// A person's registrations with the person, in ten bytes.
#[derive(Debug, Clone, Copy)]
#[repr(Rust, packed(2))]
pub struct RegistrationRow {
    person: PersonKey,
    /// Never zero, as one form at least is there, so that an empty slot needs no byte more.
    registration: NonZeroU16,
}

impl RegistrationRow {
    /// The row of a person; `None` without any form.
    pub fn try_new(person: PersonKey, registration: Option<Registration>) -> Option<Self> {
        Some(Self { person, registration: NonZeroU16::new(registration?.0)? })
    }

    /// What was filled in.
    pub const fn registration(&self) -> Registration {
        Registration(self.registration.get())
    }
}

impl Row for RegistrationRow {
    fn order(&self) -> u64 {
        order_of({ self.person }.to_u64())
    }
}

impl Stored for RegistrationRow {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&{ self.person }.to_u64().to_le_bytes());
        out.extend_from_slice(&self.registration().0.to_le_bytes());
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let person = read_person(from)?;
        let mut bytes = [0; 2];
        from.read_exact(&mut bytes)?;
        let row = Self::try_new(person, Some(Registration(u16::from_le_bytes(bytes))));
        row.ok_or_else(|| io::Error::other("a registration has no form"))
    }
}

/// Who may scan for a person.
#[derive(Debug, Clone, Copy)]
pub struct GuardianRow {
    /// The person.
    pub person: PersonKey,
    /// Who registered them.
    pub guardian: PersonKey,
}

impl Row for GuardianRow {
    fn order(&self) -> u64 {
        order_of(self.person.to_u64())
    }
}

impl Stored for GuardianRow {
    fn write(&self, out: &mut Vec<u8>) {
        for person in [self.person, self.guardian] {
            out.extend_from_slice(&person.to_u64().to_le_bytes());
        }
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        Ok(Self { person: read_person(from)?, guardian: read_person(from)? })
    }
}

fn read_person(from: &mut impl Read) -> io::Result<PersonKey> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    PersonKey::from_u64(u64::from_le_bytes(bytes)).ok_or_else(|| io::Error::other("a row has no person"))
}

const fn bit(form: FormKind) -> u16 {
    match form {
        FormKind::Venue => 0x4000,
        FormKind::Freight => 0x8000,
    }
}

#[cfg(test)]
mod tests {
    use schemas::DocumentType;

    use super::*;

    #[test]
    fn forms_come_and_go_one_by_one() {
        let event = |form| IdentityEvent {
            v: 1,
            person: "1123456789abcdef".parse().expect("valid"),
            form,
            document: DocumentType::IdCard,
            registered_at: 0,
            guardian: None,
            tail: Tail::from_u16(16_383).expect("14 bits"),
            sealed: String::new(),
        };
        let none = Registration::default();
        assert!(!none.is_any() && none.tail().is_none());
        let venue = none.with(&event(FormKind::Venue));
        assert!(venue.has(FormKind::Venue) && !venue.has(FormKind::Freight));
        let both = venue.with(&event(FormKind::Freight));
        assert_eq!(both.tail(), Tail::from_u16(16_383));
        assert_eq!(both.without(FormKind::Freight), Some(venue));
        assert_eq!(venue.without(FormKind::Venue), None);
        assert_eq!(size_of::<Option<RegistrationRow>>(), 10);
    }
}
