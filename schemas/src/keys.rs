//! Versioned secret keys: what signs venue codes and hashes people, and how keys rotate.
//!
//! A ring is read from text, one key per line; reading the file is the caller's business.

use std::fmt;

/// Why a key ring could not be read. Messages never contain key material.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyRingError {
    /// There is no key at all.
    #[error("no key in the ring: expected lines of VERSION:HEX, VERSION from 1 to 15, HEX of 64 digits")]
    Empty,
    /// A line is not of the form.
    #[error("line {line}: expected VERSION:HEX, VERSION from 1 to 15, HEX of 64 digits")]
    Malformed {
        /// Line number, from 1.
        line: usize,
    },
    /// A version appears twice.
    #[error("line {line}: version {version} is there already")]
    Repeated {
        /// Line number, from 1.
        line: usize,
        /// The version that was repeated.
        version: u8,
    },
}

/// Secret keys of 32 bytes by version (1 to 15). The last one signs and hashes; all of them verify.
#[derive(Clone)]
pub struct KeyRing {
    keys: [Option<[u8; 32]>; 16],
    active: (u8, [u8; 32]),
}

impl KeyRing {
    /// Reads a ring from lines of `VERSION:HEX`; empty lines and lines that start with `#` are skipped.
    ///
    /// # Errors
    /// When a line is malformed, a version is repeated, or no key is there.
    pub fn try_parse(text: &str) -> Result<Self, KeyRingError> {
        let mut keys = [None; 16];
        let mut active = None;
        for (index, line) in text.lines().enumerate() {
            let (line_number, line) = (index + 1, line.trim());
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (version, key) = parse_line(line).ok_or(KeyRingError::Malformed { line: line_number })?;
            if keys[usize::from(version)].replace(key).is_some() {
                return Err(KeyRingError::Repeated { line: line_number, version });
            }
            active = Some((version, key));
        }
        active.map(|active| Self { keys, active }).ok_or(KeyRingError::Empty)
    }

    /// The version that signs and hashes now.
    pub const fn active_version(&self) -> u8 {
        self.active.0
    }

    /// The active key.
    pub const fn active_key(&self) -> &[u8; 32] {
        &self.active.1
    }

    /// Whether there is a key besides the active one.
    pub fn has_others(&self) -> bool {
        self.keys.iter().flatten().nth(1).is_some()
    }

    /// The versions besides the active one, the highest first.
    pub fn other_versions(&self) -> impl Iterator<Item = u8> + '_ {
        (1..=15).rev().filter(|version| *version != self.active_version() && self.key(*version).is_some())
    }

    /// The key of a version, if the ring has it.
    pub fn key(&self, version: u8) -> Option<&[u8; 32]> {
        self.keys.get(usize::from(version))?.as_ref()
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("active_version", &self.active.0).finish_non_exhaustive()
    }
}

fn parse_line(line: &str) -> Option<(u8, [u8; 32])> {
    let (version, hex) = line.split_once(':')?;
    let version = version.trim().parse().ok().filter(|v| (1..=15).contains(v))?;
    Some((version, parse_hex(hex.trim())?))
}

fn parse_hex(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut key = [0u8; 32];
    for (byte, pair) in key.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn the_last_line_is_the_active_key_and_the_others_still_verify() {
        let ring =
            KeyRing::try_parse(&format!("# rotated in May\n1:{HEX}\n\n2:{}\n", HEX.replace('0', "f"))).expect("valid");
        assert_eq!(ring.active_version(), 2);
        assert_eq!(ring.key(1).map(|k| k[31]), Some(0x1f));
        assert_eq!(ring.key(3), None);
        assert_eq!(ring.key(200), None);
        assert!(ring.has_others());
        assert_eq!(ring.other_versions().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_bad_ring_names_its_line_and_never_its_secret() {
        assert_eq!(KeyRing::try_parse("\n").unwrap_err(), KeyRingError::Empty);
        for bad in ["1", "16:00", &format!("0:{HEX}"), &format!("16:{HEX}"), &format!("1:{}x", &HEX[1..])] {
            let error = KeyRing::try_parse(&format!("# c\n{bad}")).unwrap_err();
            assert_eq!(error, KeyRingError::Malformed { line: 2 }, "{bad}");
        }
        let twice = KeyRing::try_parse(&format!("3:{HEX}\n3:{HEX}")).unwrap_err();
        assert_eq!(twice, KeyRingError::Repeated { line: 2, version: 3 });
        let shown = format!("{:?}", KeyRing::try_parse(&format!("1:{HEX}")).expect("valid"));
        assert!(!shown.contains("31") && !shown.contains("1f"), "{shown}");
    }
}
