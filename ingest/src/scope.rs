//! What a token lets its holder do within the routes that its role may use. Pure.
//!
//! A citizen scans codes for themselves; whatever limits a token has, it holds for venue and person of each scan.

use schemas::{
    Document, Method, PersonKey, VenueId,
    access::{Claims, Limit, Role, Scope, covers},
};

use crate::{
    error::IngestError,
    person::{self, DocumentRequest, Keys},
    tables::Venue,
};

/// Who a request is about: whom it names, with the document if it has one, or the one person whom the token is for.
///
/// # Errors
/// When the request names somebody else, or nobody and the token is for no one person.
pub fn person(
    claims: &Claims,
    person: Option<PersonKey>,
    document: Option<&DocumentRequest<'_>>,
    keys: Keys<'_>,
) -> Result<(PersonKey, Option<Document>), IngestError> {
    let Some(own) = claims.scope.person else { return person::identify(person, document, keys) };
    if person.is_none() && document.is_none() {
        return Ok((own, None));
    }
    let field = if person.is_some() { "person" } else { "document" };
    let (named, document) = person::identify(person, document, keys)?;
    if named == own || document.as_ref().is_some_and(|document| keys.is_of(own, document)) {
        return Ok((own, document));
    }
    Err(IngestError::OutOfScope { field, limit: Limit::Person })
}

/// The same for a scan that is entered by hand: a guardian also enters those whom they registered (S4: 由监护人辅助).
///
/// # Errors
/// As [`person`].
pub fn person_or_dependant(
    claims: &Claims,
    named: Option<PersonKey>,
    document: Option<&DocumentRequest<'_>>,
    keys: Keys<'_>,
) -> Result<(PersonKey, Option<Document>), IngestError> {
    let own = person(claims, named, document, keys);
    let Err(IngestError::OutOfScope { .. }) = own else { return own };
    let other = person::identify(named, document, keys)?;
    if keys.people.guardian_of(other.0) == claims.scope.person { Ok(other) } else { own }
}

/// Whether the role may scan in this way: a citizen scans the code at the door or enters it by hand (S0, S2).
///
/// # Errors
/// [`IngestError::RoleNotAllowed`].
pub fn check_method(claims: &Claims, method: Method, by_number: bool) -> Result<(), IngestError> {
    if claims.role != Role::Citizen {
        return Ok(());
    }
    if !matches!(method, Method::VenueCode | Method::Manual) {
        let expected = "with the token of a citizen, expected venue_code or manual";
        return Err(IngestError::RoleNotAllowed { field: "method", expected });
    }
    if by_number {
        let expected = "with the token of a citizen, expected `code`: a number is no proof of being there";
        return Err(IngestError::RoleNotAllowed { field: "venue", expected });
    }
    Ok(())
}

/// Whether a venue lies within the limits of a token; one that is not in the directory is another's fault.
///
/// # Errors
/// [`IngestError::OutOfScope`].
pub fn check_venue(scope: &Scope, id: VenueId, venue: Option<&Venue>, field: &'static str) -> Result<(), IngestError> {
    if scope.has_every_venue() {
        return Ok(());
    }
    let Some(venue) = venue else { return Ok(()) };
    match scope.leaves_out(id, venue.district, venue.organisation()) {
        Some(limit) => Err(IngestError::OutOfScope { field, limit }),
        None => Ok(()),
    }
}

/// Whether a district lies within the limits of a token.
///
/// # Errors
/// [`IngestError::OutOfScope`] with the field that gives the district.
pub fn check_district(scope: &Scope, district: u32, field: &'static str) -> Result<(), IngestError> {
    if scope.district.is_some_and(|own| !covers(own, district)) {
        return Err(IngestError::OutOfScope { field, limit: Limit::District });
    }
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use schemas::{KeyRing, PlateKey};

    use super::*;
    use crate::person::{Nobody, People};

    /// Claims of a role with a scope; nothing else of them is looked at here.
    pub fn claims(role: Role, scope: Scope) -> Claims {
        let text = String::new;
        Claims { iss: text(), aud: text(), sub: text(), role, scope, iat: 0, nbf: 0, exp: 0, jti: text() }
    }

    fn key(text: &str) -> PersonKey {
        text.parse().expect("a key")
    }

    #[test]
    fn a_citizen_is_nobody_else() {
        let ring = KeyRing::try_parse(&format!("1:{}", "cd".repeat(32))).expect("valid");
        let keys = Keys { ring: &ring, people: &Nobody };
        let (own, other) = (key("1123456789abcdef"), key("1123456789abcdee"));
        let citizen = claims(Role::Citizen, Scope { person: Some(own), ..Scope::default() });
        assert_eq!(person(&citizen, None, None, keys), Ok((own, None)));
        assert_eq!(person(&citizen, Some(own), None, keys), Ok((own, None)));
        let refused = person(&citizen, Some(other), None, keys);
        assert_eq!(refused, Err(IngestError::OutOfScope { field: "person", limit: Limit::Person }));
        let device = claims(Role::Device, Scope::default());
        assert_eq!(person(&device, Some(other), None, keys), Ok((other, None)));
        assert!(person(&device, None, None, keys).is_err());
    }

    #[test]
    fn a_guardian_enters_those_whom_they_registered() {
        struct Family(PersonKey, PersonKey);
        impl People for Family {
            fn knows(&self, person: PersonKey) -> bool {
                person == self.1
            }
            fn is_registered(&self, person: PersonKey) -> bool {
                person == self.1
            }
            fn guardian_of(&self, person: PersonKey) -> Option<PersonKey> {
                (person == self.1).then_some(self.0)
            }
            fn knows_lorry(&self, _: PlateKey) -> Option<bool> {
                Some(false)
            }
        }
        let ring = KeyRing::try_parse(&format!("1:{}", "cd".repeat(32))).expect("valid");
        let (own, child, other) = (key("1123456789abcdef"), key("1123456789abcdee"), key("1123456789abcded"));
        let family = Family(own, child);
        let keys = Keys { ring: &ring, people: &family };
        let citizen = claims(Role::Citizen, Scope { person: Some(own), ..Scope::default() });
        let entered = |named| person_or_dependant(&citizen, Some(named), None, keys).map(|(person, _)| person);
        assert_eq!((entered(own), entered(child)), (Ok(own), Ok(child)));
        assert_eq!(entered(other), Err(IngestError::OutOfScope { field: "person", limit: Limit::Person }));
    }

    #[test]
    fn a_citizen_scans_codes_and_a_device_anything() {
        let refused = |role, method, by_number| {
            let claims = claims(role, Scope::default());
            check_method(&claims, method, by_number).err().and_then(|e| e.problem().field)
        };
        for method in Method::ALL {
            assert_eq!(refused(Role::Device, *method, true), None);
            let own = matches!(method, Method::VenueCode | Method::Manual);
            assert_eq!(refused(Role::Citizen, *method, false).is_none(), own, "{method}");
        }
        assert_eq!(refused(Role::Citizen, Method::VenueCode, true).as_deref(), Some("venue"));
    }
}
