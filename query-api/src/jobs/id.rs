//! Identities of jobs, which say by themselves whose they are and of which start of a service.
//!
//! After a restart nothing is known of a job, but its identity is: so its account is told that it is lost, and nobody else
//! that it ever was.

use std::{fmt, str::FromStr};

use schemas::KeyRing;

/// The identity of a job: which start of a service, which job of it, and a keyed hash of both and of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobId(u128);

/// Where a job that an identity names was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// At this start of this service.
    Here,
    /// At another service, or before this one started.
    Elsewhere,
    /// Nowhere, or not this account's.
    Nowhere,
}

/// Signs identities.
pub struct JobKey {
    /// That of the active key first.
    keys: Vec<[u8; 32]>,
    boot: u32,
}

impl JobKey {
    /// From the key that signs codes, which all query services of a city have, and nobody outside; `boot` tells starts apart.
    pub fn derived_from(codes: &KeyRing, boot: u32) -> Self {
        let others = codes.other_versions().filter_map(|version| codes.key(version));
        let derived = |key: &[u8; 32]| blake3::derive_key("venuecode 2026 identities of jobs", key);
        Self { keys: std::iter::once(codes.active_key()).chain(others).map(derived).collect(), boot }
    }

    /// The identity of an account's job.
    pub fn sign(&self, number: u32, account: &str) -> JobId {
        signed(&self.keys[0], u64::from(self.boot) << 32 | u64::from(number), account)
    }

    /// Where the job of an account was.
    pub fn origin(&self, id: JobId, account: &str) -> Origin {
        let which = (id.0 >> 64) as u64;
        match self.keys.iter().any(|key| signed(key, which, account) == id) {
            false => Origin::Nowhere,
            true if which >> 32 == u64::from(self.boot) => Origin::Here,
            true => Origin::Elsewhere,
        }
    }
}

fn signed(key: &[u8; 32], which: u64, account: &str) -> JobId {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&which.to_le_bytes()).update(account.as_bytes());
    let mut mac = [0; 8];
    hasher.finalize_xof().fill(&mut mac);
    JobId(u128::from(which) << 64 | u128::from(u64::from_le_bytes(mac)))
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for JobId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_hex = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(text, 16).ok().filter(|_| is_hex).map(Self).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(digit: &str, boot: u32) -> JobKey {
        let ring = KeyRing::try_parse(&format!("1:{}", digit.repeat(64))).expect("a key");
        JobKey::derived_from(&ring, boot)
    }

    #[test]
    fn an_identity_is_known_after_its_key_has_been_replaced() {
        let id = key("a", 1).sign(7, "li");
        let both = format!("1:{}\n2:{}", "a".repeat(64), "b".repeat(64));
        let rotated = JobKey::derived_from(&KeyRing::try_parse(&both).expect("keys"), 2);
        assert_eq!(rotated.origin(id, "li"), Origin::Elsewhere);
        assert_eq!(rotated.sign(7, "li"), key("b", 2).sign(7, "li"), "the active one signs");
    }

    #[test]
    fn an_identity_says_whose_it_is_and_of_which_start() {
        let id = key("a", 1).sign(7, "li");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(key("a", 1).origin(id, "li"), Origin::Here);
        assert_eq!(key("a", 2).origin(id, "li"), Origin::Elsewhere, "after a restart");
        for (key, account) in [(key("a", 1), "wu"), (key("b", 1), "li"), (key("a", 2), "wu")] {
            assert_eq!(key.origin(id, account), Origin::Nowhere);
        }
        assert_ne!(key("a", 1).sign(8, "li"), id);
        let forged = JobId(id.0 ^ 1 << 64);
        assert_eq!(key("a", 1).origin(forged, "li"), Origin::Nowhere, "another number");
        for text in ["", "id", &id.to_string()[1..], "+0000000000000000000000000000001", &"A".repeat(32)] {
            assert_eq!(text.parse::<JobId>(), Err(()), "{text}");
        }
    }
}
