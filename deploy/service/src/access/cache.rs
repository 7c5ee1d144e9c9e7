//! Remembers verified tokens, since a signature costs more than a whole scan may.
//!
//! Each thread has its own memory: no lock, and no counter that all threads pull at. A token is found only by all of its
//! bytes. When a memory is full, what was not asked for since the last time it was full is forgotten.

use std::cell::RefCell;

// Its hash is several times faster than the standard library's. Nobody from outside chooses what is in here: only verified
// tokens come in.
use hashbrown::HashMap;

use super::caller::Caller;

/// Tokens that a thread remembers at most, counting those of both maps; some 20 MB.
const MOST: usize = 2 * HALF;
const HALF: usize = 8 * 1024;

thread_local! {
    static REMEMBERED: RefCell<Remembered> = RefCell::new(Remembered::default());
}

#[derive(Default)]
struct Remembered {
    /// Asked for since the memory was full last.
    fresh: HashMap<Box<[u8]>, Caller>,
    /// Asked for before that.
    stale: HashMap<Box<[u8]>, Caller>,
}

/// The caller whose token has these bytes, if it was verified on this thread with this set of keys.
pub(super) fn get(token: &[u8], generation: u64) -> Option<Caller> {
    REMEMBERED.with_borrow_mut(|remembered| remembered.get(token)).filter(|c| c.verified().generation == generation)
}

/// Remembers the caller of a token on this thread.
pub(super) fn put(token: &[u8], caller: Caller) {
    REMEMBERED.with_borrow_mut(|remembered| remembered.put(token.into(), caller));
}

impl Remembered {
    fn get(&mut self, token: &[u8]) -> Option<Caller> {
        if let Some(caller) = self.fresh.get(token) {
            return Some(caller.clone());
        }
        let (token, caller) = self.stale.remove_entry(token)?;
        self.put(token, caller.clone());
        Some(caller)
    }

    fn put(&mut self, token: Box<[u8]>, caller: Caller) {
        if self.fresh.len() >= HALF {
            self.stale = std::mem::take(&mut self.fresh);
        }
        self.fresh.insert(token, caller);
        debug_assert!(self.fresh.len() + self.stale.len() <= MOST, "it is bounded");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use schemas::access::{Claims, Role, Scope};

    use super::*;
    use crate::access::Subject;

    fn caller(sub: usize) -> Caller {
        let text = String::new;
        let (role, scope) = (Role::Device, Scope::default());
        let claims =
            Claims { iss: text(), aud: text(), sub: sub.to_string(), role, scope, iat: 0, nbf: 0, exp: 0, jti: text() };
        Caller::new(claims, Arc::new(Subject::default()), 1, 0)
    }

    fn bytes(number: usize) -> Box<[u8]> {
        number.to_be_bytes().into()
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_in_use() {
        let mut remembered = Remembered::default();
        for number in 0..10 * HALF {
            remembered.put(bytes(number), caller(number));
            assert!(remembered.get(&bytes(0)).is_some_and(|c| c.claims().sub == "0"), "in use: {number}");
            assert!(remembered.fresh.len() + remembered.stale.len() <= MOST);
        }
        assert!(remembered.get(&bytes(1)).is_none(), "not in use");
    }

    #[test]
    fn a_token_is_known_only_with_the_keys_that_it_was_verified_with() {
        put(b"token", caller(1));
        assert!(get(b"token", 1).is_some());
        assert!(get(b"token", 2).is_none() && get(b"tokem", 1).is_none() && get(b"toke", 1).is_none());
    }
}
