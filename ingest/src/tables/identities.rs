//! What the gateway keeps of a registration, in two bytes: which forms were filled in, and what the last four
//! characters of the document are compared with.

use schemas::{IdentityEvent, Tail, city::FormKind};

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
        assert_eq!(size_of::<Registration>(), 2);
    }
}
