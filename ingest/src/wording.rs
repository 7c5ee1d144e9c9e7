//! What a person is told at the door, in Chinese and English, and the text to speak: every sentence of a city, made
//! ready at start, so that an answer only picks one. Pure.

use schemas::{
    CityProfile, Colour, Direction, Reason, Reasons, Verdict,
    city::{Sentence, Wording},
};
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
    /// Whether health codes can be looked up at all.
    pub knows_colours: bool,
    /// Whether tests can be looked up at all.
    pub knows_tests: bool,
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Message {
    /// In Chinese.
    #[schema(value_type = String, example = "绿码，请通行")]
    pub zh: Box<str>,
    /// In English.
    #[schema(value_type = String, example = "Green code, please enter")]
    pub en: Box<str>,
}

/// What is shown, and what is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saying {
    /// To show.
    pub message: Message,
    /// To speak, where that differs.
    speech: Option<Message>,
}

/// All sentences of a city.
#[derive(Debug, Clone)]
pub struct Sentences {
    admit_green: Saying,
    admit: Saying,
    admit_exempted: Saying,
    recorded: Saying,
    exit: Saying,
    /// By the hours of a rule; in each, by the bits of its reasons.
    refusals: Vec<(Option<u16>, Box<[Saying]>)>,
}

/// Says why. Yellow, red and so on have the bits of [`Reason`]; two more stand for what cannot be looked up.
const CAUSES: usize = 10;
const HEALTH_UNAVAILABLE: usize = 8;
const TEST_UNAVAILABLE: usize = 9;

impl Saying {
    fn new(sentence: &Sentence) -> Self {
        let (zh, en) = sentence.spoken();
        let speech = sentence.speech.as_ref().map(|_| Message::new(zh, en));
        Self { message: Message::new(&sentence.zh, &sentence.en), speech }
    }

    /// What is spoken.
    pub fn speech(&self) -> &Message {
        self.speech.as_ref().unwrap_or(&self.message)
    }
}

impl Message {
    fn new(zh: &str, en: &str) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }
}

impl Sentences {
    /// Makes the sentences of a city ready.
    pub fn new(city: &CityProfile) -> Self {
        let wording = &city.wording;
        let mut hours: Vec<_> = city.rules.iter().map(|rule| rule.test_within_hours).chain([None]).collect();
        hours.sort_unstable();
        hours.dedup();
        Self {
            admit_green: Saying::new(&wording.admit_green),
            admit: Saying::new(&wording.admit),
            admit_exempted: Saying::new(&wording.admit_exempted),
            recorded: Saying::new(&wording.recorded),
            exit: Saying::new(&wording.exit),
            refusals: hours.into_iter().map(|hours| (hours, refusals(wording, hours))).collect(),
        }
    }

    /// The sentence for a decision.
    pub fn pick(&self, told: &Told) -> &Saying {
        match (told.direction, told.verdict) {
            (_, Verdict::Recorded) => &self.recorded,
            (Direction::Exit, _) => &self.exit,
            (Direction::Entry, Verdict::Admit) if told.reasons.contains(Reason::Exempted) => &self.admit_exempted,
            // Yellow and red are never admitted; an unknown colour only where no rule asks for one.
            (Direction::Entry, Verdict::Admit) if told.colour == Colour::Green => &self.admit_green,
            (Direction::Entry, Verdict::Admit) => &self.admit,
            (Direction::Entry, Verdict::Refuse) => self.refusal(told),
        }
    }

    fn refusal(&self, told: &Told) -> &Saying {
        let mut causes = told.reasons;
        for (known, missing, unavailable) in [
            (told.knows_colours, Reason::HealthUnknown, HEALTH_UNAVAILABLE),
            (told.knows_tests, Reason::TestMissing, TEST_UNAVAILABLE),
        ] {
            if !known && causes.contains(missing) {
                causes = Reasons::from_bits(causes.bits() & !(1 << missing as u16) | 1 << unavailable);
            }
        }
        let of_hours = self.refusals.iter().find(|(hours, _)| *hours == told.test_within_hours);
        let index = usize::from(causes.bits()) & ((1 << CAUSES) - 1);
        of_hours.and_then(|(_, sayings)| sayings.get(index)).unwrap_or(&self.recorded)
    }
}

/// The refusals for every set of causes.
fn refusals(wording: &Wording, hours: Option<u16>) -> Box<[Saying]> {
    (0..1 << CAUSES).map(|causes| refusal(wording, causes, hours)).collect()
}

fn refusal(wording: &Wording, causes: usize, hours: Option<u16>) -> Saying {
    let named: Vec<_> = (0..CAUSES).filter(|bit| causes >> bit & 1 == 1).map(|bit| cause(wording, bit)).collect();
    let joined = |texts: Vec<&str>, separator: &str| {
        let hours = hours.map_or_else(String::new, |hours| hours.to_string());
        texts.join(separator).replace("{hours}", &hours)
    };
    let fill = |text: &str, reasons: &str| text.replace("{reasons}", reasons);
    let shown_zh = joined(named.iter().map(|sentence| sentence.zh.as_str()).collect(), "、");
    let shown_en = joined(named.iter().map(|sentence| sentence.en.as_str()).collect(), "; ");
    let message = Message::new(&fill(&wording.refuse.zh, &shown_zh), &fill(&wording.refuse.en, &shown_en));
    let (template_zh, template_en) = wording.refuse.spoken();
    let spoken_zh = joined(named.iter().map(|sentence| sentence.spoken().0).collect(), "、");
    let spoken_en = joined(named.iter().map(|sentence| sentence.spoken().1).collect(), "; ");
    let speech = Message::new(&fill(template_zh, &spoken_zh), &fill(template_en, &spoken_en));
    Saying { speech: (speech != message).then_some(speech), message }
}

/// The wording of the cause with this bit.
fn cause(wording: &Wording, bit: usize) -> &Sentence {
    match bit {
        HEALTH_UNAVAILABLE => &wording.health_unavailable,
        TEST_UNAVAILABLE => &wording.test_unavailable,
        _ if bit == Reason::ColourYellow as usize => &wording.colour_yellow,
        _ if bit == Reason::ColourRed as usize => &wording.colour_red,
        _ if bit == Reason::HealthUnknown as usize => &wording.health_unknown,
        _ if bit == Reason::HealthExpired as usize => &wording.health_expired,
        _ if bit == Reason::TestMissing as usize => &wording.test_missing,
        _ if bit == Reason::TestTooOld as usize => &wording.test_too_old,
        _ if bit == Reason::TestPositive as usize => &wording.test_positive,
        _ => &wording.symptoms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(city: &str) -> Sentences {
        Sentences::new(&CityProfile::try_built_in(city).expect("valid"))
    }

    fn told(verdict: Verdict, reasons: &[Reason], colour: Colour) -> Told {
        Told {
            verdict,
            reasons: reasons.iter().copied().collect(),
            colour,
            direction: Direction::Entry,
            test_within_hours: Some(48),
            knows_colours: true,
            knows_tests: true,
        }
    }

    #[test]
    fn the_sentence_names_each_reason_to_refuse() {
        let sentences = sentences("shanghai");
        let green = sentences.pick(&told(Verdict::Admit, &[], Colour::Green));
        assert_eq!(green.message, Message::new("绿码，请通行", "Green code, please enter"));
        let reasons = [Reason::ColourRed, Reason::TestTooOld];
        let red = sentences.pick(&told(Verdict::Refuse, &reasons, Colour::Red));
        assert_eq!(&*red.message.zh, "红码、核酸采样已超过48小时，不能进入");
        assert_eq!(&*red.message.en, "No entry: red code; the last test was sampled more than 48 hours ago");
        assert_eq!(red.speech(), &red.message);
    }

    #[test]
    fn what_cannot_be_looked_up_is_not_told_as_missing() {
        let sentences = sentences("shanghai");
        let reasons = [Reason::HealthUnknown, Reason::TestMissing];
        let known = told(Verdict::Refuse, &reasons, Colour::Unknown);
        assert_eq!(&*sentences.pick(&known).message.zh, "未查询到健康码、未查询到核酸检测结果，不能进入");
        let unknown = Told { knows_colours: false, knows_tests: false, ..known };
        let message = &sentences.pick(&unknown).message;
        assert_eq!(&*message.zh, "健康码暂时无法查询、核酸检测结果暂时无法查询，不能进入");
        assert!(message.en.contains("health codes are temporarily not available"), "{}", message.en);
        let red = Told { reasons: [Reason::ColourRed].into_iter().collect(), ..unknown };
        assert_eq!(&*sentences.pick(&red).message.en, "No entry: red code", "what is known is told");
    }

    #[test]
    fn a_city_has_its_own_words() {
        let green = told(Verdict::Admit, &[], Colour::Green);
        assert_eq!(&*sentences("fuyang").pick(&green).message.zh, "绿码通行");
        let red = Told { test_within_hours: None, ..told(Verdict::Refuse, &[Reason::ColourRed], Colour::Red) };
        assert_eq!(&*sentences("kaifeng").pick(&red).message.zh, "红码，不能进入，请在原地等候工作人员");
    }

    #[test]
    fn nobody_is_told_to_enter_who_leaves_comes_late_or_is_refused() {
        for city in CityProfile::built_in_names() {
            let sentences = sentences(city);
            for (hours, _) in &sentences.refusals {
                for reason in Reason::ALL.iter().filter(|r| !matches!(r, Reason::Exempted | Reason::NoRule)) {
                    let refused =
                        Told { test_within_hours: *hours, ..told(Verdict::Refuse, &[*reason], Colour::Unknown) };
                    let saying = sentences.pick(&refused);
                    for message in [&saying.message, saying.speech()] {
                        assert!(message.zh.contains("不能进入") && message.en.contains("No entry"), "{city} {reason}");
                        assert!(!message.zh.contains('{') && !message.en.contains('{'), "{city} {reason}");
                    }
                }
            }
        }
        let sentences = sentences("shanghai");
        let leaving = Told { direction: Direction::Exit, ..told(Verdict::Refuse, &[Reason::ColourRed], Colour::Red) };
        assert_eq!(&*sentences.pick(&leaving).message.en, "Exit recorded");
        assert_eq!(&*sentences.pick(&told(Verdict::Recorded, &[], Colour::Unknown)).message.zh, "已登记");
    }
}
