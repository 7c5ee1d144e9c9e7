//! Whether a scan comes from the person whom it names, where the city asks (S4, question 05): who scans a code for the
//! first time fills in the form, later the last four characters of the document are enough.

use schemas::{
    Document, Method, PersonKey, Tail, UnixSeconds,
    access::{Claims, Role},
};

use crate::{
    config::City,
    error::IngestError,
    guesses::{Guesses, Outcome},
    tables::{Registration, Venue},
};

/// What a scan shows of its person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It is not asked: the city does not, or staff, a guardian or a device sees the document.
    NotAsked,
    /// The whole document, typed by the person.
    Document,
    /// Its last four characters.
    LastFour(Tail),
    /// Nothing.
    Nothing,
}

impl Proof {
    /// What a scan shows.
    ///
    /// # Errors
    /// When the last four characters are none.
    pub fn read(
        sender: &Claims,
        city: &City,
        method: Method,
        person: PersonKey,
        document: Option<&Document>,
        last_four: Option<&str>,
    ) -> Result<Self, IngestError> {
        if city.profile.scanning.last_four.is_none() || method != Method::VenueCode {
            return Ok(Self::NotAsked);
        }
        match (document, last_four) {
            (Some(_), _) if sender.role == Role::Device => Ok(Self::NotAsked),
            (Some(_), _) => Ok(Self::Document),
            (None, None) => Ok(Self::Nothing),
            (None, Some(typed)) => Tail::of_typed(&city.person_keys, person, typed)
                .map(Self::LastFour)
                .ok_or_else(|| IngestError::invalid("last_four", EXPECTED)),
        }
    }

    /// Holds it against what is registered.
    ///
    /// # Errors
    /// [`IngestError::RegistrationRequired`] with the form of this venue; when the last four characters are missing or
    /// wrong; when too many were.
    pub fn check(
        self,
        city: &City,
        guesses: Option<&Guesses>,
        person: PersonKey,
        registration: Registration,
        venue: &Venue,
        now: UnixSeconds,
    ) -> Result<(), IngestError> {
        let (Some(guesses), true) = (guesses, self != Self::NotAsked) else { return Ok(()) };
        let form = venue.form(&city.profile);
        let Some(fields) = city.profile.form_of(form) else { return Ok(()) };
        if !registration.has(form) {
            return Err(IngestError::RegistrationRequired { form, fields: Box::new(fields.clone()) });
        }
        let is_right = match self {
            Self::NotAsked | Self::Document => return Ok(()),
            Self::Nothing => return Err(IngestError::missing("last_four", EXPECTED)),
            Self::LastFour(tail) => registration.tail() == Some(tail),
        };
        match guesses.take(person, is_right, now) {
            Outcome::Passed => Ok(()),
            Outcome::Wrong { tries_left } => Err(IngestError::WrongLastFour { tries_left }),
            Outcome::Locked { retry_after_s } => Err(IngestError::LastFourLocked { retry_after_s }),
        }
    }
}

const EXPECTED: &str = "expected the last four letters or digits of the registered document's number";
