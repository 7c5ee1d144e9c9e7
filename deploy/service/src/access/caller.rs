//! Who asks: the verified claims of a request's token.

use std::{
    collections::HashMap,
    sync::{Arc, Weak, atomic::AtomicUsize},
};

use axum::{extract::FromRequestParts, http::request::Parts};
use parking_lot::Mutex;
use schemas::{
    UnixSeconds,
    access::{Claims, Role, Scope},
};

use super::error::AccessError;

/// The subjects that are remembered before those that have gone are looked for.
const SUBJECTS_BEFORE_CLEARING: usize = 1024;

/// What all requests of one holder share, whichever of its tokens they bring.
#[derive(Debug, Default)]
pub struct Subject {
    /// Stands for the holder where requests are counted.
    pub key: u64,
    /// How much of this holder is under way.
    pub under_way: AtomicUsize,
}

/// The holder of a verified token, and what it may do. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Verified>);

#[derive(Debug)]
pub(super) struct Verified {
    claims: Claims,
    subject: Arc<Subject>,
    /// The key set that it was verified with.
    pub(super) generation: u64,
    /// First second in which it does not hold any more.
    pub(super) until: UnixSeconds,
}

impl Caller {
    pub(super) fn new(claims: Claims, subject: Arc<Subject>, generation: u64, until: UnixSeconds) -> Self {
        Self(Arc::new(Verified { claims, subject, generation, until }))
    }

    pub(super) fn verified(&self) -> &Verified {
        &self.0
    }

    /// What the token says.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// What the holder is trusted with.
    pub fn role(&self) -> Role {
        self.0.claims.role
    }

    /// What the token is limited to.
    pub fn scope(&self) -> &Scope {
        &self.0.claims.scope
    }

    /// What it shares with the holder's other requests.
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = AccessError;

    /// The caller that the guard has let in; without a guard there is none, and the request is refused.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AccessError> {
        parts.extensions.get::<Self>().cloned().ok_or(AccessError::NoRule)
    }
}

/// The subjects whose tokens are in use.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    known: Mutex<HashMap<u64, Weak<Subject>>>,
}

impl Subjects {
    /// The subject that this number stands for.
    pub(super) fn get(&self, key: u64) -> Arc<Subject> {
        let mut known = self.known.lock();
        if known.len() >= SUBJECTS_BEFORE_CLEARING && known.len() == known.capacity() {
            known.retain(|_, subject| subject.strong_count() > 0);
        }
        let slot = known.entry(key).or_default();
        slot.upgrade().unwrap_or_else(|| {
            let subject = Arc::new(Subject { key, under_way: AtomicUsize::new(0) });
            *slot = Arc::downgrade(&subject);
            subject
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_one_subject_as_long_as_anybody_asks() {
        let subjects = Subjects::default();
        let (one, same, other) = (subjects.get(1), subjects.get(1), subjects.get(2));
        assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
        drop((one, same, other));
        (0..100_000).for_each(|key| drop(subjects.get(key)));
        assert!(subjects.known.lock().len() < 4 * SUBJECTS_BEFORE_CLEARING, "those that have gone are forgotten");
    }
}
