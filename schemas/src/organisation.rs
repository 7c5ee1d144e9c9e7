//! Organisations (单位) and their unified social credit code.

/// Whether a unified social credit code has the right form and check character (GB 32100-2015: 18
/// characters of a 31-letter alphabet, the last one a MOD 31 check).
pub fn is_credit_code(code: &str) -> bool {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let values: Option<Vec<u32>> =
        code.bytes().map(|b| ALPHABET.iter().position(|a| *a == b).and_then(|p| u32::try_from(p).ok())).collect();
    let Some(values) = values.filter(|v| v.len() == 18) else { return false };
    // Weight of place i is 3^i mod 31.
    let (sum, _) = values[..17].iter().fold((0, 1), |(sum, weight), value| (sum + value * weight, weight * 3 % 31));
    (31 - sum % 31) % 31 == values[17]
}

/// The province of the authority that registered an organisation, two digits of GB/T 2260; `None` of those that national
/// authorities register. GB 32100: characters 3 to 8 of its code are the division of the authority.
pub fn registered_in(code: &str) -> Option<u32> {
    let province = code.get(2..4)?.parse().ok()?;
    // 100000 is the whole country.
    (province != 10).then_some(province)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_where_it_was_given() {
        assert_eq!(registered_in("91310000MA1FL0000N"), Some(31));
        assert_eq!(registered_in("11100000000000000A"), None);
        assert_eq!(registered_in("9A"), None);
    }

    #[test]
    fn a_wrong_character_anywhere_is_found() {
        // Made up for this test; the check character was worked out by hand from GB 32100's table.
        let valid = "91310000MA1FL0000N";
        let with_check: Vec<String> = "0123456789ABCDEFGHJKLMNPQRTUWXY"
            .chars()
            .map(|c| format!("{}{c}", &valid[..17]))
            .filter(|code| is_credit_code(code))
            .collect();
        assert_eq!(with_check.len(), 1, "exactly one check character fits");
        let valid = &with_check[0];
        for at in 0..18 {
            let mut wrong = valid.clone().into_bytes();
            wrong[at] = if wrong[at] == b'7' { b'8' } else { b'7' };
            assert!(!is_credit_code(std::str::from_utf8(&wrong).expect("ascii")), "place {at}");
        }
        assert!(!is_credit_code(&valid[..17]) && !is_credit_code("") && !is_credit_code("场所码"));
    }
}
