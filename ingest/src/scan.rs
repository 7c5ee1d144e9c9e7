//! One scan: what a client sends, what is checked and what is decided. Pure; time is an argument.

use schemas::{
    Colour, Direction, Method, PersonKey, Reasons, ScanEvent, UnixSeconds, VenueCode, VenueId, Verdict,
    access::Claims,
    admission::{Arrival, Claim, Health, decide},
    eligibility,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    config::{City, LimitConfig},
    error::IngestError,
    fields::{Field, Hidden, Object, Text, one_of, optional_inner},
    person::{DOCUMENT, DocumentRequest, PERSON},
    recognition::Proof,
    scope,
    tables::Venue,
    time,
};

/// A scan as clients send it. Exactly one of `code` and `venue`, exactly one of `person` and `document`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScanRequest<'a> {
    /// Venue code of 17 characters, or its URL.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "HTTPS://CODE.EXAMPLE/V/1000003R0GX2M4T5A")]
    code: Option<Text<'a>>,
    /// Number of the venue; for trusted devices and imports.
    #[serde(default)]
    venue: Option<VenueId>,
    /// Person key: 16 lower-case hex digits.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1123456789abcdef")]
    person: Option<PersonKey>,
    /// Identity document.
    #[serde(borrow, default, deserialize_with = "optional_inner")]
    document: Option<DocumentRequest<'a>>,
    /// How the scan was made.
    #[serde(default = "venue_code")]
    method: Method,
    /// In or out.
    #[serde(default = "entry")]
    direction: Direction,
    /// When the scan was made, RFC 3339; now, when left out.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "2022-06-01T12:00:00+08:00")]
    scanned_at: Option<Text<'a>>,
    /// Identity of the scan: sent again with the same one, it is still one scan. When left out, it is made of
    /// person, venue, time, method and direction.
    #[serde(default)]
    event_id: Option<Uuid>,
    /// Whether the person declares fever, cough or contact with a case.
    #[serde(default)]
    symptoms: bool,
    /// Exemption that is claimed: an id of the city profile.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "urgent_medical")]
    exemption: Option<Text<'a>>,
    /// Why others register the person, with `reverse_scan` and `manual`: an id of the city profile. May be left out
    /// when an identity card's number tells by the age.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "senior")]
    offline_reason: Option<Text<'a>>,
    /// The last four characters of the person's registered document, where the city asks for them when a code is
    /// scanned after the first time.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "001X")]
    last_four: Option<Hidden<'a>>,
}

const fn venue_code() -> Method {
    Method::VenueCode
}

const fn entry() -> Direction {
    Direction::Entry
}

impl<'a> Object<'a> for ScanRequest<'a> {
    const FIELDS: &'static [Field] = &[
        Field::optional::<Option<String>>("code", || "expected a venue code of 17 characters, or its URL".to_owned()),
        Field::optional::<Option<VenueId>>("venue", || "expected a venue number from 0 to 4294967295".to_owned()),
        PERSON,
        DOCUMENT,
        Field::optional::<Method>("method", || one_of(Method::ALL.iter().map(|m| m.as_str()))),
        Field::optional::<Direction>("direction", || one_of(Direction::ALL.iter().map(|d| d.as_str()))),
        Field::optional::<Option<String>>("scanned_at", || time::EXPECTED.to_owned()),
        Field::optional::<Option<Uuid>>("event_id", || "expected a UUID".to_owned()),
        Field::optional::<bool>("symptoms", || "expected true or false".to_owned()),
        Field::optional::<Option<String>>("exemption", || "expected an id of the city profile, or none".to_owned()),
        Field::optional::<Option<String>>("offline_reason", || "expected an id of the city profile".to_owned()),
        Field::optional::<Option<String>>("last_four", || "expected four characters as a text".to_owned()),
    ];
}

/// A scan whose own fields are in order; its venue is still to be looked up.
#[derive(Debug, Clone, Copy)]
pub struct Scan {
    /// Where.
    pub venue: VenueId,
    /// Who.
    pub person: PersonKey,
    /// Issue number of the code that was scanned; `None` when the venue was given by number.
    serial: Option<u8>,
    method: Method,
    direction: Direction,
    at: UnixSeconds,
    event_id: Option<Uuid>,
    symptoms: bool,
    claim: Option<Claim>,
    /// What it shows of the person.
    pub proof: Proof,
}

/// A scan that is accepted once Kafka has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What goes to Kafka.
    pub event: ScanEvent,
    /// The health that the verdict rests on; unknown when it came too late for one.
    pub health: Health,
    /// Hours within which the rule in force asks for a test.
    pub test_within_hours: Option<u16>,
}

impl ScanRequest<'_> {
    /// Checks everything that needs no table but that of guardians, which is asked when the scan names somebody else
    /// than the sender.
    ///
    /// # Errors
    /// When fields contradict each other, the code is forged, the document's number wrong, the time out of
    /// range, or the sender may not send this.
    pub fn check(
        &self,
        sender: &Claims,
        city: &City,
        limits: &LimitConfig,
        guardian_of: impl FnOnce(PersonKey) -> Option<PersonKey>,
        now_ms: i64,
    ) -> Result<Scan, IngestError> {
        let (venue, serial) = match (&self.code, self.venue) {
            (Some(code), None) => {
                let code = VenueCode::verify(code, &city.codes.keys)?;
                (code.venue, Some(code.serial))
            }
            (None, Some(venue)) => (venue, None),
            (None, None) => return Err(IngestError::missing("code", "expected `code` or `venue`")),
            (Some(_), Some(_)) => return Err(IngestError::invalid("venue", "expected `code` or `venue`, not both")),
        };
        scope::check_method(sender, self.method, serial.is_none())?;
        let (named, keys) = ((self.person, self.document.as_ref()), &city.person_keys);
        let (person, document) = if self.method == Method::Manual {
            scope::person_or_dependant(sender, named.0, named.1, keys, guardian_of)?
        } else {
            scope::person(sender, named.0, named.1, keys)?
        };
        let at = self.scanned_at(limits, now_ms / 1000)?;
        let born = || Some((document.as_ref()?.birth_date()?, city.profile.day_of(at)?));
        eligibility::check(&city.profile, self.method, self.offline_reason.as_deref(), born)?;
        Ok(Scan {
            venue,
            person,
            serial,
            method: self.method,
            direction: self.direction,
            at,
            event_id: self.event_id,
            symptoms: self.symptoms,
            claim: self.claim(city)?,
            proof: Proof::read(sender, city, self.method, person, document.as_ref(), self.last_four.as_deref())?,
        })
    }

    fn claim(&self, city: &City) -> Result<Option<Claim>, IngestError> {
        let Some(id) = self.exemption.as_deref().filter(|id| *id != "none") else { return Ok(None) };
        city.policy.claim(id).map(Some).ok_or_else(|| {
            let ids: Vec<_> = ["none"].into_iter().chain(city.policy.claims()).collect();
            IngestError::invalid("exemption", format!("expected one of {}", ids.join(", ")))
        })
    }

    fn scanned_at(&self, limits: &LimitConfig, now: UnixSeconds) -> Result<UnixSeconds, IngestError> {
        let Some(text) = &self.scanned_at else { return Ok(now) };
        let at = time::parse_field("scanned_at", text)?;
        let (max_ahead_s, max_days) = (limits.max_ahead_s, limits.max_scan_age_days);
        if at > now + i64::from(max_ahead_s) {
            let expected = format!("expected a time not more than {max_ahead_s} s in the future");
            return Err(IngestError::invalid("scanned_at", expected));
        }
        if at < (now - i64::from(max_days) * 86_400).max(time::YEAR_2000) {
            let expected = format!("expected a time not more than {max_days} days ago, and after 1999");
            return Err(IngestError::invalid("scanned_at", expected));
        }
        Ok(at)
    }
}

impl Scan {
    /// Decides, given what the tables say.
    ///
    /// # Errors
    /// When there is no such venue, or its code was issued anew since, or it is closed.
    pub fn accept(
        &self,
        venue: Option<&Venue>,
        health: Health,
        city: &City,
        limits: &LimitConfig,
        now_ms: i64,
    ) -> Result<Accepted, IngestError> {
        let field = if self.serial.is_some() { "code" } else { "venue" };
        let venue = venue.ok_or(IngestError::UnknownVenue { field })?;
        if !venue.active || self.serial.is_some_and(|serial| serial != venue.serial) {
            return Err(IngestError::RevokedCode { field });
        }
        if !venue.is_valid_at(self.at) {
            return Err(IngestError::CodeNotInForce { field });
        }
        let late = now_ms / 1000 - self.at > i64::from(limits.late_after_s);
        let (verdict, reasons, colour, health, test_within_hours) = if late {
            (Verdict::Recorded, Reasons::NONE, Colour::Unknown, Health::UNKNOWN, None)
        } else {
            let class = venue.class(&city.policy).ok_or(IngestError::Internal)?;
            let arrival = Arrival { class, at: self.at, claim: self.claim, symptoms: self.symptoms };
            let decision = decide(&city.policy, &arrival, &health);
            (decision.verdict, decision.reasons, decision.colour, health, decision.test_within_hours)
        };
        let event_id = self
            .event_id
            .unwrap_or_else(|| ScanEvent::derive_id(self.person, self.venue, self.at, self.method, self.direction));
        let event = ScanEvent {
            v: ScanEvent::version(),
            event_id,
            person: self.person,
            venue: self.venue,
            method: self.method,
            direction: self.direction,
            scanned_at: self.at,
            accepted_at_ms: now_ms,
            verdict,
            reasons,
            colour,
            exemption: city.policy.stored(self.claim),
        };
        Ok(Accepted { event, health, test_within_hours })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use schemas::{
        CityProfile, Exemption, KeyRing, Reason, TestResult, VenueEvent,
        access::{Role, Scope},
        admission::Policy,
        events::VenueStatus,
    };
    use service::code::CodeSigner;

    use super::*;
    use crate::{fields::read, wording::Sentences};

    /// 2022-06-01 12:00:00 in Shanghai.
    const NOW: i64 = 1_654_056_000;
    const ID_CARD: &str = "34052419800101001X";

    fn city() -> City {
        let ring = |byte: &str| KeyRing::try_parse(&format!("1:{}", byte.repeat(32))).expect("valid");
        let profile = CityProfile::try_built_in("shanghai").expect("valid");
        City {
            policy: Policy::new(&profile),
            sentences: Sentences::new(&profile),
            profile,
            codes: CodeSigner { keys: ring("ab"), base_url: "HTTPS://CODE.EXAMPLE/V/".to_owned() },
            person_keys: ring("cd"),
            identity_keys: ring("ef"),
        }
    }

    fn limits() -> LimitConfig {
        LimitConfig {
            limit_scans_per_second: NonZeroU32::MIN,
            limit_scans_burst: NonZeroU32::MIN,
            limit_connections: 1,
            limit_client_connections: 1,
            limit_body_mib: 16,
            late_after_s: 600,
            max_scan_age_days: 366,
            max_ahead_s: 60,
        }
    }

    fn venue(serial: u8, status: VenueStatus) -> Venue {
        let event = VenueEvent {
            v: 1,
            venue: 7,
            serial,
            status,
            name: "茶馆".to_owned(),
            category: "catering".to_owned(),
            district: 310_101,
            address: "福州路1号".to_owned(),
            door: None,
            organisation: None,
            latitude: None,
            longitude: None,
            valid_from: None,
            valid_until: None,
            revision: None,
        };
        let message = serde_json::to_vec(&event).expect("serialises");
        Venue::try_from_message(&city().profile, &message).expect("reads").1
    }

    fn healthy() -> Health {
        Health {
            colour: Colour::Green,
            since: NOW - 86_400,
            expires_at: UnixSeconds::MAX,
            test_result: TestResult::Negative,
            test_sampled_at: NOW - 3600,
        }
    }

    fn check(json: &serde_json::Value) -> Result<Scan, IngestError> {
        let text = json.to_string();
        let sender = scope::tests::claims(Role::Device, Scope::default());
        read::<ScanRequest<'_>>(text.as_bytes())?.check(&sender, &city(), &limits(), |_| None, NOW * 1000)
    }

    fn accept(json: &serde_json::Value, venue: Option<&Venue>) -> Result<Accepted, IngestError> {
        check(json)?.accept(venue, healthy(), &city(), &limits(), NOW * 1000)
    }

    #[test]
    fn code_or_venue_and_person_or_document_but_not_both() {
        let person = "1123456789abcdef";
        let document = serde_json::json!({"type": "id_card", "number": ID_CARD});
        let code = VenueCode { venue: 7, serial: 1 }.sign(&city().codes.keys).to_string();
        let field = |json| check(&json).map(|_| ()).unwrap_err().problem().field.expect("names its field");
        assert_eq!(field(serde_json::json!({"person": person})), "code");
        assert_eq!(field(serde_json::json!({"person": person, "code": code, "venue": 7})), "venue");
        assert_eq!(field(serde_json::json!({"venue": 7})), "person");
        assert_eq!(field(serde_json::json!({"venue": 7, "person": person, "document": document})), "document");
        let scan = check(&serde_json::json!({"code": code, "document": document})).expect("in order");
        assert_eq!((scan.venue, scan.serial, scan.person.key_version()), (7, Some(1), 1));
    }

    #[test]
    fn a_scan_without_an_identity_gets_the_same_one_each_time() {
        let json = serde_json::json!({"venue": 7, "person": "1123456789abcdef", "scanned_at": "2022-06-01T04:00:00Z"});
        let venue = venue(0, VenueStatus::Active);
        let first = accept(&json, Some(&venue)).expect("accepted").event;
        let again =
            check(&json).and_then(|s| s.accept(Some(&venue), Health::UNKNOWN, &city(), &limits(), NOW * 1000 + 5));
        assert_eq!(again.expect("accepted").event.event_id, first.event_id);
        assert_eq!((first.verdict, first.colour), (Verdict::Admit, Colour::Green));
    }

    #[test]
    fn a_reissued_code_and_a_closed_venue_are_revoked() {
        let code = VenueCode { venue: 7, serial: 1 }.sign(&city().codes.keys).to_string();
        let by_code = serde_json::json!({"code": code, "person": "1123456789abcdef"});
        let by_number = serde_json::json!({"venue": 7, "person": "1123456789abcdef"});
        assert!(accept(&by_code, Some(&venue(1, VenueStatus::Active))).is_ok());
        assert_eq!(
            accept(&by_code, Some(&venue(2, VenueStatus::Active))),
            Err(IngestError::RevokedCode { field: "code" })
        );
        assert!(accept(&by_number, Some(&venue(2, VenueStatus::Active))).is_ok());
        let closed = venue(1, VenueStatus::Revoked);
        assert_eq!(accept(&by_number, Some(&closed)), Err(IngestError::RevokedCode { field: "venue" }));
        assert_eq!(accept(&by_code, None), Err(IngestError::UnknownVenue { field: "code" }));
    }

    #[test]
    fn a_scan_is_late_after_ten_minutes_and_refused_after_a_year_or_from_the_future() {
        let at = |time: &str| serde_json::json!({"venue": 7, "person": "1123456789abcdef", "scanned_at": time});
        let venue = venue(0, VenueStatus::Active);
        let verdict = |time| accept(&at(time), Some(&venue)).map(|a| a.event.verdict);
        assert_eq!(verdict("2022-06-01T11:50:00+08:00"), Ok(Verdict::Admit));
        assert_eq!(verdict("2022-06-01T11:49:59+08:00"), Ok(Verdict::Recorded));
        assert_eq!(verdict("2022-06-01T12:01:00+08:00"), Ok(Verdict::Admit));
        for bad in ["2022-06-01T12:01:01+08:00", "2021-05-31T11:59:59+08:00", "2022-06-01", "now"] {
            assert_eq!(verdict(bad).unwrap_err().problem().field.as_deref(), Some("scanned_at"), "{bad}");
        }
        let late = accept(&at("2022-06-01T11:00:00+08:00"), Some(&venue)).expect("accepted");
        assert_eq!((late.event.colour, late.health), (Colour::Unknown, Health::UNKNOWN));
    }

    #[test]
    fn a_refusal_knows_the_hours_of_its_rule() {
        let json = serde_json::json!({"venue": 7, "person": "1123456789abcdef"});
        let old = Health { test_sampled_at: NOW - 49 * 3600, ..healthy() };
        let scan = check(&json).expect("in order");
        let accepted = scan.accept(Some(&venue(0, VenueStatus::Active)), old, &city(), &limits(), NOW * 1000);
        let accepted = accepted.expect("accepted");
        assert_eq!(accepted.event.reasons.iter().collect::<Vec<_>>(), [Reason::TestTooOld]);
        assert_eq!(accepted.test_within_hours, Some(48));
    }

    #[test]
    fn an_exemption_is_one_of_the_city_and_stored_as_its_word() {
        let scan = |id: &str| serde_json::json!({"venue": 7, "person": "1123456789abcdef", "exemption": id});
        let venue = venue(0, VenueStatus::Active);
        let stored = |id| accept(&scan(id), Some(&venue)).map(|accepted| accepted.event.exemption);
        assert_eq!(stored("urgent_medical"), Ok(Exemption::UrgentMedical));
        assert_eq!(stored("none"), Ok(Exemption::None));
        let problem = stored("vip").unwrap_err().problem();
        assert_eq!((problem.status, problem.field.as_deref()), (422, Some("exemption")));
        assert_eq!(problem.detail.as_deref(), Some("expected one of none, urgent_medical, other"));
    }

    #[test]
    fn an_age_in_the_document_speaks_for_a_reverse_scan() {
        let reverse = |person: serde_json::Value, reason: Option<&str>| {
            let mut scan = serde_json::json!({"venue": 7, "method": "reverse_scan"});
            scan.as_object_mut().expect("an object").extend(person.as_object().expect("an object").clone());
            if let Some(reason) = reason {
                scan["offline_reason"] = reason.into();
            }
            check(&scan).map(|_| ()).map_err(|error| error.problem().field.unwrap_or_default())
        };
        let card = |number: &str| serde_json::json!({"document": {"type": "id_card", "number": number}});
        // Born in 1980, 1950 and 2010.
        let (adult, senior, minor) = (card(ID_CARD), card("340524195001010016"), card("340524201001010014"));
        let key = serde_json::json!({"person": "1123456789abcdef"});
        let refused = Err("offline_reason".to_owned());
        assert_eq!([reverse(senior, None), reverse(minor, None)], [Ok(()), Ok(())]);
        assert_eq!(reverse(adult.clone(), None), refused);
        assert_eq!(reverse(adult.clone(), Some("senior")), refused);
        assert_eq!(reverse(adult, Some("disabled")), Ok(()));
        assert_eq!(reverse(key.clone(), None), refused);
        assert_eq!(reverse(key, Some("minor")), Ok(()));
    }

    #[test]
    fn debug_output_has_no_document_number() {
        let document = serde_json::json!({"type": "id_card", "number": ID_CARD});
        let text = serde_json::json!({"venue": 7, "document": document, "last_four": "001X"}).to_string();
        let request: ScanRequest<'_> = read(text.as_bytes()).expect("reads");
        let shown = format!("{request:?}");
        assert!(!shown.contains("340524") && !shown.contains("001X"), "{shown}");
    }
}
