//! Finds document and phone numbers in text that is stored as it is, where none belongs. Pure.
//!
//! Names and addresses cannot be told from other words; numbers can, and they are what somebody pastes by mistake.

use schemas::{Document, DocumentType};

/// Whether a text holds the number of an identity card (GB 11643) or of a mobile phone in China, however it is spaced.
pub fn holds_number(text: &str) -> bool {
    let plain: Vec<u8> = text.chars().filter_map(plain).collect();
    plain.chunk_by(|a, b| is_of_number(*a) && is_of_number(*b)).any(|run| is_mobile(run) || is_id_card(run))
}

/// Half width and upper case, without what numbers are spaced with; anything else is one letter like any other.
fn plain(c: char) -> Option<u8> {
    let c = match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    if c.is_whitespace() || c == '-' {
        return None;
    }
    Some(u8::try_from(c.to_ascii_uppercase()).ok().filter(u8::is_ascii).unwrap_or(b'_'))
}

const fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'X'
}

/// Eleven digits from 13 to 19 on, with or without the country's 86.
fn is_mobile(run: &[u8]) -> bool {
    let run = if run.len() == 13 { run.strip_prefix(b"86").unwrap_or(run) } else { run };
    run.len() == 11 && run[0] == b'1' && (b'3'..=b'9').contains(&run[1]) && run.iter().all(u8::is_ascii_digit)
}

fn is_id_card(run: &[u8]) -> bool {
    run.len() == 18
        && std::str::from_utf8(run).is_ok_and(|number| Document::try_new(DocumentType::IdCard, number).is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_found_however_they_are_written() {
        for text in [
            "34052419800101001X",
            "见 34052419800101001x 一案",
            "340524 19800101 001X",
            "３４０５２４１９８００１０１００１Ｘ",
            "张三13800138000",
            "+86 138-0013-8000",
        ] {
            assert!(holds_number(text), "{text}");
        }
        for text in ["", "市疾控 2022-0601-17", "340524198001010016", "12345", "4008001234", "1653000000123", "EX12X"]
        {
            assert!(!holds_number(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_number_among_words_is_found(before in "[a-w\u{4e00}-\u{4eff}]{0,5}", after in "[a-w\u{4e00}-\u{4eff}]{0,5}") {
            let text = format!("{}{}{}", before, "34052419800101001X", after);
            prop_assert!(holds_number(&text));
            let text = format!("{}{}{}", before, "13912345678", after);
            prop_assert!(holds_number(&text));
        }
    }
}
