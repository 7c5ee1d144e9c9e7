//! Texts on a poster: which characters can be printed, and where a line may break.

use super::Fonts;

/// A character that cannot be printed. It is left out by no format: the poster is refused instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {what} has {}, which cannot be printed", shown(.character))]
pub struct Unprintable {
    /// Which text has it.
    pub what: &'static str,
    /// The character.
    pub character: char,
}

/// Looks at every character of a text.
///
/// # Errors
/// The first one that the fonts lack, that has no look of its own, or that turns the direction of what follows.
pub fn check(what: &'static str, text: &str, fonts: &Fonts) -> Result<(), Unprintable> {
    let printable = |c: char| !c.is_control() && !is_format(c) && fonts.cover(c);
    match text.chars().find(|c| !printable(*c)) {
        None => Ok(()),
        Some(character) => Err(Unprintable { what, character }),
    }
}

/// Characters that only steer how others are set (Unicode's `Cf` and variation selectors): fonts may cover them, yet
/// what they print is nothing, or another text than was reviewed.
const fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The character itself where it can be shown, and its number.
fn shown(c: &char) -> String {
    let number = u32::from(*c);
    if c.is_control() || is_format(*c) { format!("U+{number:04X}") } else { format!("`{c}` (U+{number:04X})") }
}

/// Where a run of letters may be broken although no language does so.
const BREAK: char = '\u{200b}';
/// Longest run that is kept in one piece, in characters.
const MAX_PIECE: usize = 32;

/// A text that can be set into any width: runs too long for a line may be broken.
pub fn breakable(text: &str) -> String {
    let mut run = 0;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        run = if breaks_by_itself(c) { 0 } else { run + 1 };
        if run > MAX_PIECE {
            out.push(BREAK);
            run = 1;
        }
        out.push(c);
    }
    out
}

/// The runs of a text that stay on one line: words of alphabets, not Chinese.
pub fn pieces(text: &str) -> Vec<&str> {
    text.split(|c| breaks_by_itself(c) || c == BREAK).filter(|piece| !piece.is_empty()).collect()
}

/// Whether a line may end at this character: a space, or a character of Chinese, Japanese or Korean.
fn breaks_by_itself(c: char) -> bool {
    c.is_whitespace() || c >= '\u{2e80}'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn breaks_are_all_that_is_added_and_no_piece_is_longer_than_a_line(text in "[a-zW#一-龥 　。-]{0,120}") {
            let broken = breakable(&text);
            prop_assert_eq!(broken.replace(BREAK, ""), text);
            prop_assert!(pieces(&broken).iter().all(|piece| piece.chars().count() <= MAX_PIECE));
        }
    }

    #[test]
    fn words_stay_whole_and_chinese_has_no_pieces() {
        assert_eq!(breakable("KFC 肯德基 Restaurant"), "KFC 肯德基 Restaurant");
        assert_eq!(pieces("KFC肯德基 Restaurant"), ["KFC", "Restaurant"]);
        assert_eq!(pieces("肯德基"), Vec::<&str>::new());
    }

    #[test]
    fn a_character_is_named_so_that_it_can_be_found() {
        let text = |character| Unprintable { what: "name", character }.to_string();
        assert_eq!(text('𠮷'), "the name has `𠮷` (U+20BB7), which cannot be printed");
        assert_eq!(text('\u{202e}'), "the name has U+202E, which cannot be printed");
    }
}
