//! A person's registration: what a client sends, who may send it, and the record that it becomes. Pure; time is an
//! argument. Nothing of it is ever sent back but the person key.

use schemas::{
    IdentityEvent, PersonKey, Tail, UnixSeconds,
    access::{Claims, Limit},
    city::{Declares, FormKind},
    eligibility,
    events::VERSION,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use service::identity;
use utoipa::ToSchema;

use crate::{
    answers::Answers,
    config::City,
    error::IngestError,
    fields::{Field, Object, Text, one_of},
    person::{Keys, People},
};

/// A person's answers to a form.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistrationRequest {
    /// Which form: that of ordinary venues, or that of freight checkpoints and destinations.
    #[serde(default = "venue")]
    form: FormKind,
    /// The answers by the ids of the form's fields, as `/v1/forms` lists them: `document` is an object with type and
    /// number, questions are true or false, times are RFC 3339, all else is text.
    #[schema(value_type = Object)]
    answers: Map<String, Value>,
}

/// A dependant's answers to the form of ordinary venues.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DependantRequest<'a> {
    /// The answers, as in a registration.
    #[schema(value_type = Object)]
    answers: Map<String, Value>,
    /// Why the dependant does not scan for themselves: an id of the city profile. May be left out when an identity
    /// card's number tells by the age.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "child")]
    offline_reason: Option<Text<'a>>,
}

const fn venue() -> FormKind {
    FormKind::Venue
}

/// The field with the answers to a form, wherever it occurs.
pub const ANSWERS: Field = Field::required::<Map<String, Value>>("answers", || {
    "expected an object with the answers by the ids of the form's fields; /v1/forms lists them".to_owned()
});

impl Object<'_> for RegistrationRequest {
    const FIELDS: &'static [Field] = &[Field::optional::<FormKind>("form", || one_of(["venue", "freight"])), ANSWERS];
}

impl<'a> Object<'a> for DependantRequest<'a> {
    const FIELDS: &'static [Field] = &[
        ANSWERS,
        Field::optional::<Option<String>>("offline_reason", || "expected an id of the city profile".to_owned()),
    ];
}

/// What is kept of a registration, and what of it matters for the next scan.
pub struct Registered {
    /// What goes to Kafka.
    pub event: IdentityEvent,
    /// What the answers declare.
    pub declares: Vec<Declares>,
}

impl RegistrationRequest {
    /// Checks the answers of a person who registers, or whom staff register at a door. A guardian stays one: only the
    /// person's own registration ends that.
    ///
    /// # Errors
    /// When an answer cannot be, or the token is for another person; the error names the field.
    pub fn check(
        &self,
        sender: &Claims,
        city: &City,
        people: &dyn People,
        now: UnixSeconds,
    ) -> Result<Registered, IngestError> {
        let Some(form) = city.profile.form_of(self.form) else {
            return Err(IngestError::invalid("form", "expected venue: the city has no codes for freight"));
        };
        let answers = Answers::read(form, &self.answers)?;
        let own = sender.scope.person;
        let person = person_of(&answers, own, city.keys(people));
        if own.is_some_and(|own| own != person) {
            return Err(IngestError::OutOfScope { field: "answers", limit: Limit::Person });
        }
        let guardian = people.guardian_of(person).filter(|_| own.is_none() && self.form == FormKind::Venue);
        city.seal(person, self.form, guardian, answers, now)
    }
}

impl DependantRequest<'_> {
    /// Checks the answers of a dependant, registered by a guardian (S4: 由监护人辅助). Only who may be registered by others
    /// can be one, and nobody who is registered by themselves or by somebody else: or anybody could put themselves in
    /// the place of any person whose number they know.
    ///
    /// # Errors
    /// When an answer cannot be, or the person cannot be this guardian's dependant; the error names the field.
    pub fn check(
        &self,
        guardian: PersonKey,
        city: &City,
        people: &dyn People,
        now: UnixSeconds,
    ) -> Result<Registered, IngestError> {
        let answers = Answers::read(&city.profile.venue_form, &self.answers)?;
        let born = || Some((answers.document.birth_date()?, city.profile.day_of(now)?));
        eligibility::check(&city.profile, schemas::Method::Manual, self.offline_reason.as_deref(), born)?;
        if city.keys(people).is_of(guardian, &answers.document) {
            return Err(IngestError::invalid("answers", "expected the answers of another person than the guardian"));
        }
        let person = city.keys(people).person(&answers.document);
        if people.is_registered(person) && people.guardian_of(person) != Some(guardian) {
            return Err(IngestError::AlreadyRegistered);
        }
        city.seal(person, FormKind::Venue, Some(guardian), answers, now)
    }
}

/// The key of the person who answered: the token's own, if that is the same person.
pub fn person_of(answers: &Answers, own: Option<PersonKey>, keys: Keys<'_>) -> PersonKey {
    own.filter(|own| keys.is_of(*own, &answers.document)).unwrap_or_else(|| keys.person(&answers.document))
}

impl City {
    fn seal(
        &self,
        person: PersonKey,
        form: FormKind,
        guardian: Option<PersonKey>,
        answers: Answers,
        now: UnixSeconds,
    ) -> Result<Registered, IngestError> {
        let Answers { document, fields, declares } = answers;
        let event = IdentityEvent {
            v: VERSION,
            person,
            form,
            document: document.kind(),
            registered_at: now,
            guardian,
            tail: Tail::of(&self.person_keys, person, &document).ok_or(IngestError::Internal)?,
            sealed: identity::seal(&self.identity_keys, person, form, &fields)?,
        };
        Ok(Registered { event, declares })
    }
}
