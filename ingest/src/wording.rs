//! What a person is told at the door, in Chinese and English, and the text to speak. Pure.

use std::{borrow::Cow, fmt::Write};

use schemas::{Colour, Direction, Reason, Reasons, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Whether the person may enter.
    pub verdict: Verdict,
    /// Why.
    pub reasons: Reasons,
    /// The colour that is shown.
    pub colour: Colour,
    /// In or out.
    pub direction: Direction,
    /// Hours within which the rule in force asks for a test.
    pub test_within_hours: Option<u16>,
}

/// A sentence to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Message {
    /// In Chinese.
    #[schema(value_type = String, example = "绿码，请通行")]
    pub zh: Cow<'static, str>,
    /// In English.
    #[schema(value_type = String, example = "Green code, please enter")]
    pub en: Cow<'static, str>,
}

/// The sentence to show and the text to speak.
pub fn sentence(told: &Told) -> (Message, Cow<'static, str>) {
    let (zh, en, speech) = match (told.direction, told.verdict) {
        (_, Verdict::Recorded) => ("已登记", "Recorded", "已登记"),
        (Direction::Exit, _) => ("已登记离开", "Exit recorded", "已登记离开"),
        (Direction::Entry, Verdict::Admit) => admission(told),
        (Direction::Entry, Verdict::Refuse) => return refusal(told),
    };
    (Message { zh: zh.into(), en: en.into() }, speech.into())
}

const fn admission(told: &Told) -> (&'static str, &'static str, &'static str) {
    if told.reasons.contains(Reason::Exempted) {
        return ("特殊情况已登记，请通行", "Exemption recorded, please enter", "特殊情况已登记，请通行");
    }
    match told.colour {
        Colour::Green => ("绿码，请通行", "Green code, please enter", "绿码，请通行"),
        // Only where no rule asks for a colour; yellow and red are never admitted.
        Colour::Unknown | Colour::Yellow | Colour::Red => ("请通行", "Please enter", "请通行"),
    }
}

fn refusal(told: &Told) -> (Message, Cow<'static, str>) {
    let (mut reasons_zh, mut reasons_en) = (String::new(), String::new());
    for reason in told.reasons.iter() {
        let Some((reason_zh, reason_en)) = why(reason, told.test_within_hours) else { continue };
        if !reasons_zh.is_empty() {
            reasons_zh.push('、');
            reasons_en.push_str("; ");
        }
        reasons_zh.push_str(&reason_zh);
        reasons_en.push_str(&reason_en);
    }
    let mut en = String::from("No entry");
    if !reasons_en.is_empty() {
        // Writing to a string does not fail.
        let _ = write!(en, ": {reasons_en}");
    }
    let comma = if reasons_zh.is_empty() { "" } else { "，" };
    let zh = format!("{reasons_zh}{comma}不能进入");
    (Message { zh: zh.clone().into(), en: en.into() }, zh.into())
}

fn why(reason: Reason, hours: Option<u16>) -> Option<(Cow<'static, str>, Cow<'static, str>)> {
    let (zh, en) = match reason {
        Reason::ColourYellow => ("黄码", "yellow code"),
        Reason::ColourRed => ("红码", "red code"),
        Reason::HealthUnknown => ("未查询到健康码", "no health code is known"),
        Reason::HealthExpired => ("健康码已过期", "the health code has expired"),
        Reason::TestMissing => ("未查询到核酸检测结果", "no test result is known"),
        Reason::TestTooOld => {
            let (zh, en) = match hours {
                Some(hours) => (
                    format!("核酸采样已超过{hours}小时"),
                    format!("the last test was sampled more than {hours} hours ago"),
                ),
                None => ("核酸采样已过期".to_owned(), "the last test is too old".to_owned()),
            };
            return Some((zh.into(), en.into()));
        }
        Reason::TestPositive => ("核酸检测阳性", "the last test is positive"),
        Reason::Symptoms => ("申报有症状", "symptoms were declared"),
        // Not reasons to refuse.
        Reason::Exempted | Reason::NoRule => return None,
    };
    Some((zh.into(), en.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(verdict: Verdict, reasons: &[Reason], colour: Colour) -> Told {
        let reasons = reasons.iter().copied().collect();
        Told { verdict, reasons, colour, direction: Direction::Entry, test_within_hours: Some(48) }
    }

    #[test]
    fn the_sentence_names_each_reason_to_refuse() {
        let (message, speech) = sentence(&told(Verdict::Admit, &[], Colour::Green));
        assert_eq!(
            (&*message.zh, &*message.en, &*speech),
            ("绿码，请通行", "Green code, please enter", "绿码，请通行")
        );
        let (message, speech) = sentence(&told(Verdict::Refuse, &[Reason::ColourRed, Reason::TestTooOld], Colour::Red));
        assert_eq!(message.zh, "红码、核酸采样已超过48小时，不能进入");
        assert_eq!(message.en, "No entry: red code; the last test was sampled more than 48 hours ago");
        assert_eq!(speech, message.zh);
    }

    #[test]
    fn nobody_is_told_to_enter_who_leaves_comes_late_or_is_refused() {
        for reason in Reason::ALL {
            let (message, speech) = sentence(&told(Verdict::Refuse, &[*reason], Colour::Unknown));
            assert!(!message.en.contains("please") && !speech.contains("请"), "{reason}");
            assert!(message.zh.contains("不能进入"), "{reason}");
        }
        let leaving = Told { direction: Direction::Exit, ..told(Verdict::Refuse, &[Reason::ColourRed], Colour::Red) };
        assert_eq!(sentence(&leaving).0.en, "Exit recorded");
        assert_eq!(sentence(&told(Verdict::Recorded, &[], Colour::Unknown)).0.zh, "已登记");
    }
}
