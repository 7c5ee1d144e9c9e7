//! What makes two applications speak of the same place: their texts, normalised, and for an event its time (S4: identical
//! data is rejected as a duplicate). Pure.

use schemas::{UnixSeconds, events::Submission};
use unicode_normalization::UnicodeNormalization;

/// A place at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    texts: String,
    from: UnixSeconds,
    until: UnixSeconds,
}

impl Place {
    /// The place of an application. Where a venue has one code for all its doors the door makes no difference.
    pub fn of(submission: &Submission, per_door: bool) -> Self {
        let door = if per_door { submission.door.as_deref() } else { None };
        let parts = [&submission.name, &submission.address, door.unwrap_or_default()].map(normalised);
        Self {
            texts: format!("{}\n{}", submission.district, parts.join("\n")),
            from: submission.starts_at.unwrap_or(UnixSeconds::MIN),
            until: submission.ends_at.unwrap_or(UnixSeconds::MAX),
        }
    }

    /// Whether both speak of the same place at the same time.
    pub fn is_same(&self, other: &Self) -> bool {
        self.from < other.until && other.from < self.until && self.texts == other.texts
    }

    /// Whether its time is over.
    pub const fn is_over(&self, now: UnixSeconds) -> bool {
        self.until <= now
    }
}

/// A text as it is compared: in one width (NFKC), in lower case, Chinese numerals as digits, the traditional 號, 樓, 層,
/// 門, 區 and 東 as their simplified forms, and without spaces and punctuation, except that two numbers stay two.
pub fn normalised(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut numeral, mut gap) = (Numeral::default(), false);
    for c in text.nfkc().flat_map(char::to_lowercase) {
        if !c.is_alphanumeric() {
            numeral.write(&mut out);
            gap = true;
            continue;
        }
        if gap && (c.is_numeric() || Numeral::default().take(c)) && out.ends_with(char::is_numeric) {
            out.push('-');
        }
        gap = false;
        if !numeral.take(c) {
            numeral.write(&mut out);
            out.push(simplified(c));
        }
    }
    numeral.write(&mut out);
    out
}

const fn simplified(c: char) -> char {
    match c {
        '號' => '号',
        '樓' => '楼',
        '層' => '层',
        '門' => '门',
        '區' => '区',
        '東' => '东',
        other => other,
    }
}

/// A Chinese numeral as far as it was read: digits one by one (一二三, 二〇一) or with units (一百二十三).
#[derive(Default)]
struct Numeral {
    digits: String,
    sum: u64,
    pending: Option<u64>,
    has_units: bool,
}

impl Numeral {
    /// Takes a character if it is part of a numeral.
    fn take(&mut self, c: char) -> bool {
        const DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
        let digit = if c == '〇' { Some(0) } else { DIGITS.iter().position(|digit| *digit == c) };
        if let Some(digit) = digit {
            self.digits.push(char::from(b'0' + u8::try_from(digit).unwrap_or_default()));
            self.pending = Some(digit as u64);
            return true;
        }
        let unit = match c {
            '十' => 10,
            '百' => 100,
            '千' => 1000,
            _ => return false,
        };
        self.sum += self.pending.take().unwrap_or(1).max(1) * unit;
        self.has_units = true;
        true
    }

    /// Writes it as digits, if there is one, and begins anew.
    fn write(&mut self, out: &mut String) {
        let Self { digits, sum, pending, has_units } = std::mem::take(self);
        if has_units {
            out.push_str(&(sum + pending.unwrap_or_default()).to_string());
        } else {
            out.push_str(&digits);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_same_place_written_in_another_way_is_the_same() {
        for (one, other) in [
            ("福州路123号", "福州路１２３號"),
            ("福州路123号", "福州路一百二十三号"),
            ("福州路123号", "福州路一二三号"),
            ("福州路 123 号", "福州路123号"),
            ("福州路123号,2楼", "福州路123号（二樓）"),
            ("十号门", "10号門"),
            ("二十一层", "21层"),
            ("二十层", "20层"),
            ("二〇二室", "202室"),
            ("一百零五号", "105号"),
            ("一千二百号", "1200号"),
            ("ＡＢＣ大厦", "abc大厦"),
            ("Cafe\u{301}", "CAFÉ"),
            ("㈱一", "(株)1"),
            ("A座·3F", "a座3f"),
        ] {
            assert_eq!(normalised(one), normalised(other), "{one} {other}");
        }
    }

    #[test]
    fn another_place_stays_another_one() {
        for (one, other) in [
            ("福州路123号", "福州路124号"),
            ("福州路12号3室", "福州路1号23室"),
            ("东门", "西门"),
            ("十一号", "一十号"),
            ("二号", "十二号"),
            ("福州路1-23", "福州路12-3"),
            ("福州路1 23", "福州路123"),
            ("福州路一、二十三", "福州路一二、三"),
            ("一楼", "二楼"),
        ] {
            assert_ne!(normalised(one), normalised(other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn width_and_case_make_no_difference(text in "[a-zA-Z0-9福州路号]{0,30}") {
            let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).filter(|_| c.is_ascii()).unwrap_or(c);
            let other: String = text.to_uppercase().chars().map(wide).collect();
            prop_assert_eq!(normalised(&other), normalised(&text));
            prop_assert_eq!(normalised(&format!(" {text}。")), normalised(&text));
        }

        #[test]
        fn every_number_reads_the_same_in_chinese(number in 1u64..10_000) {
            const DIGITS: [&str; 10] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
            let mut chinese = String::new();
            let mut gap = false;
            for (unit, word) in [(1000, "千"), (100, "百"), (10, "十"), (1, "")] {
                let digit = usize::try_from(number / unit % 10).expect("a digit");
                if digit == 0 {
                    gap = !chinese.is_empty();
                } else {
                    if gap {
                        chinese.push_str(DIGITS[0]);
                        gap = false;
                    }
                    chinese.push_str(DIGITS[digit]);
                    chinese.push_str(word);
                }
            }
            prop_assert_eq!(normalised(&chinese), number.to_string());
        }
    }
}
