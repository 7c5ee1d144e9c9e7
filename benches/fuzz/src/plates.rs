//! Number plates, held against GA 36-2018 a second time: by the table of its patterns.
//!
//! The input is a text, read as a plate.

use std::sync::LazyLock;

use schemas::{KeyRing, Plate, PlateKey};

static RING: LazyLock<KeyRing> = LazyLock::new(|| super::ring(&[1, 2]));

/// What may stand behind province and letter. `x` is a digit or a letter but I and O, `d` a digit, `E` the letter of a
/// new-energy vehicle's drive, `挂` the ending of a vehicle with a duty, `港` that of one that crosses the border; anything
/// else stands for itself.
const PATTERNS: [&str; 5] = ["xxxxx", "xxxx挂", "Exdddd", "dddddE", "xxxx港"];

/// Holds the input against the rules.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let plain = plain(&text);
    match Plate::try_new(&text) {
        Ok(plate) => {
            assert!(is_plate(&plain), "{text:?} is taken");
            assert_eq!(plate.as_str(), plain);
            assert!(!format!("{plate:?}").contains(&plain), "debug output shows the plate");
            let spelled: String = plain.chars().flat_map(|c| [c.to_ascii_lowercase(), ' ']).collect();
            let again = Plate::try_new(&spelled).map(|again| PlateKey::derive(&RING, &again));
            let key = PlateKey::derive(&RING, &plate);
            assert_eq!(again.ok(), Some(key), "{spelled:?} is the same plate");
            let known = PlateKey::derive_known(&RING, &plate, |known| known.to_u64() >> 60 == 1);
            assert_eq!(known.to_u64() >> 60, 1, "a lorry keeps the key under which it is known");
            assert_eq!((key.to_string().parse(), PlateKey::from_u64(key.to_u64())), (Ok(key), Some(key)));
        }
        Err(error) => {
            // Nothing so long is looked at.
            assert!(text.len() > 64 || !is_plate(&plain), "{text:?} is refused");
            assert!(plain.chars().count() < 5 || !error.to_string().contains(&plain), "the message repeats the plate");
        }
    }
}

fn is_plate(plain: &str) -> bool {
    let mut characters = plain.chars();
    let (Some(province), Some(letter)) = (characters.next(), characters.next()) else { return false };
    let of_china = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新".contains(province);
    let crosses_border = (province, letter) == ('粤', 'Z');
    let serial: Vec<char> = characters.collect();
    let fits = |pattern: &&str| {
        pattern.contains('港') == crosses_border
            && pattern.chars().count() == serial.len()
            && pattern.chars().zip(&serial).all(|(of, c)| stands_for(of, *c))
    };
    of_china && letter.is_ascii_uppercase() && letter != 'I' && PATTERNS.iter().any(fits)
}

fn stands_for(of: char, c: char) -> bool {
    let letter = c.is_ascii_uppercase() && c != 'I' && c != 'O';
    match of {
        'd' => c.is_ascii_digit(),
        'x' => c.is_ascii_digit() || letter,
        'E' => letter && c <= 'K',
        '挂' => "挂学警领".contains(c),
        _ => "港澳".contains(c),
    }
}

/// Capitals, half width, without spaces, hyphens and dots.
fn plain(text: &str) -> String {
    let half_width = |c: char| match u32::from(c) {
        code @ 0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    let kept = text.chars().filter(|c| !c.is_whitespace()).map(half_width).map(|c| c.to_ascii_uppercase());
    kept.filter(|c| !"-·•.".contains(*c)).collect()
}
