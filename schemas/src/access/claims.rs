//! What a token says (RFC 7519), and whether that may be relied on now. The signature is checked elsewhere.

use serde::{Deserialize, Serialize};

use super::{Limit, Role, Scope};
use crate::UnixSeconds;

/// What a token says. Names are those of RFC 7519 where it has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Which installation it is for.
    pub aud: String,
    /// Who holds it: the number of a device, an account; no name, document or phone number.
    pub sub: String,
    /// What the holder is trusted with.
    pub role: Role,
    /// What it is limited to.
    #[serde(default)]
    pub scope: Scope,
    /// When it was issued.
    pub iat: UnixSeconds,
    /// From when it holds.
    pub nbf: UnixSeconds,
    /// Until when it holds.
    pub exp: UnixSeconds,
    /// Its own number, for the audit log.
    pub jti: String,
}

/// What a token must say to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Who issues tokens here.
    pub issuer: String,
    /// Which installation this is.
    pub audience: String,
    /// How far clocks may differ, in seconds.
    pub leeway_s: u32,
    /// Longest time between issue and expiry, in seconds.
    pub max_lifetime_s: u32,
}

/// Why claims cannot be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// Somebody else issued it.
    #[error("the token is of another issuer")]
    WrongIssuer,
    /// It is for another installation.
    #[error("the token is for another audience")]
    WrongAudience,
    /// Its time is over.
    #[error("the token has expired; get a new one")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet; is the clock right?")]
    NotYetValid,
    /// It would hold for longer than any token may.
    #[error("the token's lifetime is longer than tokens may have here")]
    LivesTooLong,
    /// Nobody holds it.
    #[error("the token has no `sub` or no `jti`")]
    NoHolder,
    /// A holder who could be told from another one only by how it is written.
    #[error(
        "the token's `sub` is not in normal form: lower case, half width, without spaces or invisible characters; get a \
         new one"
    )]
    SubNotNormal,
    /// A role that is for one person, organisation or district only, without saying which.
    #[error("the token's role needs a scope with `{}`", .0.as_str())]
    MissingLimit(Limit),
    /// A limit whose value cannot be.
    #[error("the token's scope has a `{}` that cannot be", .0.as_str())]
    ImpossibleLimit(Limit),
}

impl Claims {
    /// Whether they may be relied on at a time.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn check(&self, expected: &Expected, now: UnixSeconds) -> Result<(), ClaimsError> {
        let leeway = i64::from(expected.leeway_s);
        if self.iss != expected.issuer {
            return Err(ClaimsError::WrongIssuer);
        }
        if self.aud != expected.audience {
            return Err(ClaimsError::WrongAudience);
        }
        if self.is_expired(expected, now) {
            return Err(ClaimsError::Expired);
        }
        if self.nbf.max(self.iat) > now.saturating_add(leeway) {
            return Err(ClaimsError::NotYetValid);
        }
        if self.exp.saturating_sub(self.iat) > i64::from(expected.max_lifetime_s) {
            return Err(ClaimsError::LivesTooLong);
        }
        self.check_holder()
    }

    /// Whether their time is over, the leeway included.
    pub const fn is_expired(&self, expected: &Expected, now: UnixSeconds) -> bool {
        self.exp.saturating_add(expected.leeway_s as i64) <= now
    }

    /// Whether holder, role and scope go together.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn check_holder(&self) -> Result<(), ClaimsError> {
        if self.sub.is_empty() || self.jti.is_empty() {
            return Err(ClaimsError::NoHolder);
        }
        if !is_normal_account(&self.sub) {
            return Err(ClaimsError::SubNotNormal);
        }
        if let Some(limit) = self.scope.fault() {
            return Err(ClaimsError::ImpossibleLimit(limit));
        }
        match self.role.required_limit() {
            Some(limit) if !self.scope.has(limit) => Err(ClaimsError::MissingLimit(limit)),
            _ => Ok(()),
        }
    }
}

/// Whether an account is written in the one way that there is for it, so that nobody has two by writing theirs in another
/// way: in lower case and half width, without spaces or invisible characters. Chinese characters may be in it.
pub fn is_normal_account(account: &str) -> bool {
    account.chars().all(|c| match c {
        '!'..='~' => !c.is_ascii_uppercase(),
        // CJK Unified Ideographs and their extensions, which have neither case nor width, without those that are there for
        // compatibility and stand for another one.
        _ => {
            matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{2ebef}' | '\u{30000}'..='\u{323af}')
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixSeconds = 1_653_235_200;

    fn claims() -> Claims {
        let text = |text: &str| text.to_owned();
        Claims {
            iss: text("venuecode"),
            aud: text("shanghai"),
            sub: text("sentinel-7"),
            role: Role::Device,
            scope: Scope::default(),
            iat: NOW,
            nbf: NOW,
            exp: NOW + 3600,
            jti: text("1"),
        }
    }

    fn expected() -> Expected {
        Expected {
            issuer: "venuecode".to_owned(),
            audience: "shanghai".to_owned(),
            leeway_s: 30,
            max_lifetime_s: 86_400,
        }
    }

    fn check(change: impl FnOnce(&mut Claims), now: UnixSeconds) -> Result<(), ClaimsError> {
        let mut claims = claims();
        change(&mut claims);
        claims.check(&expected(), now)
    }

    #[test]
    fn each_part_is_checked() {
        assert_eq!(check(|_| {}, NOW), Ok(()));
        assert_eq!(check(|c| c.iss.clear(), NOW), Err(ClaimsError::WrongIssuer));
        assert_eq!(check(|c| c.aud = "kaifeng".to_owned(), NOW), Err(ClaimsError::WrongAudience));
        assert_eq!(check(|c| c.sub.clear(), NOW), Err(ClaimsError::NoHolder));
        assert_eq!(check(|c| c.jti.clear(), NOW), Err(ClaimsError::NoHolder));
        assert_eq!(check(|c| c.sub.push('A'), NOW), Err(ClaimsError::SubNotNormal));
        assert_eq!(check(|c| c.exp = NOW + 86_401, NOW), Err(ClaimsError::LivesTooLong));
        assert_eq!(check(|c| c.exp = i64::MAX, NOW), Err(ClaimsError::LivesTooLong));
        assert_eq!(check(|c| (c.iat, c.exp) = (i64::MIN, i64::MAX), NOW), Err(ClaimsError::LivesTooLong));
        assert_eq!(check(|c| c.role = Role::Citizen, NOW), Err(ClaimsError::MissingLimit(Limit::Person)));
        assert_eq!(check(|c| c.role = Role::Operator, NOW), Err(ClaimsError::MissingLimit(Limit::Organisation)));
        assert_eq!(check(|c| c.role = Role::District, NOW), Err(ClaimsError::MissingLimit(Limit::District)));
        assert_eq!(check(|c| c.scope.district = Some(310), NOW), Err(ClaimsError::ImpossibleLimit(Limit::District)));
        let wrong_code = |c: &mut Claims| c.scope.organisation = Some("1".to_owned());
        assert_eq!(check(wrong_code, NOW), Err(ClaimsError::ImpossibleLimit(Limit::Organisation)));
    }

    #[test]
    fn there_is_one_way_to_write_an_account() {
        for normal in ["cdc-li", "sentinel-7", "li.wu@cdc", "静安-李"] {
            assert!(is_normal_account(normal), "{normal}");
        }
        let others =
            ["CDC-li", "cdc-li ", " cdc-li", "cdc li", "ｃdc-li", "cdc－li", "cdc-li\u{200b}", "cdc-li\u{3000}"];
        for other in others.into_iter().chain(["cdc\tli", "çdc", "сdc-li", "静安\u{fe0f}", "\u{2f800}"]) {
            assert!(!is_normal_account(other), "{other:?}");
        }
    }

    #[test]
    fn clocks_may_differ_by_the_leeway_and_no_more() {
        assert_eq!(check(|_| {}, NOW - 30), Ok(()));
        assert_eq!(check(|_| {}, NOW - 31), Err(ClaimsError::NotYetValid));
        assert_eq!(check(|_| {}, NOW + 3629), Ok(()));
        assert_eq!(check(|_| {}, NOW + 3630), Err(ClaimsError::Expired));
        assert_eq!(check(|c| c.nbf = NOW + 60, NOW), Err(ClaimsError::NotYetValid));
    }

    proptest! {
        #[test]
        fn no_token_holds_for_longer_than_it_may(
            iat in -10_000i64..10_000, nbf in -10_000i64..10_000, life in -10_000i64..200_000, at in -300_000i64..300_000,
        ) {
            let set = |c: &mut Claims| (c.iat, c.nbf, c.exp) = (NOW + iat, NOW + nbf, NOW + iat + life);
            if check(set, NOW + at).is_ok() {
                prop_assert!(life <= 86_400 && at < iat + life + 30 && at >= iat.max(nbf) - 30);
            }
        }
    }
}
