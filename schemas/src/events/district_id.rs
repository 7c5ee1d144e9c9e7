//! Identities that begin with a district: a UUID (version 8) whose first eight digits are the district in decimal. So a
//! command about something finds its partition, and a token its limit, by the identity alone.

use uuid::Uuid;

use super::is_district;

/// An identity within a district, made of what it is about: the same parts, the same identity.
pub fn derive(district: u32, parts: &[&[u8]]) -> Uuid {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    let two_digits = |number: u32| (number / 10 % 10 * 16 + number % 10) as u8;
    let digits = [1_000_000, 10_000, 100, 1].map(|place| two_digits(district / place));
    bytes[..4].copy_from_slice(&digits);
    Uuid::new_v8(bytes)
}

/// The district that an identity begins with; none when it cannot be one of these.
pub fn district_of(id: Uuid) -> Option<u32> {
    let digits = id.as_bytes()[..4].iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let district = digits.map(u32::from).try_fold(0, |sum, digit| (digit < 10).then_some(sum * 10 + digit))?;
    is_district(district).then_some(district)
}
