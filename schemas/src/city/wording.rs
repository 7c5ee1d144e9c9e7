//! The sentences of an answer: the default ones, which a profile may replace one by one.

use serde::Deserialize;

use super::Bilingual;

/// A sentence to show, with another one to speak where reading it aloud would sound odd.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sentence {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// What is spoken; the sentence itself, when absent.
    #[serde(default)]
    pub speech: Option<Bilingual>,
}

/// Declares the sentences with their placeholders and default texts.
macro_rules! wording {
    ($($(#[$meta:meta])* $key:ident [$($placeholder:literal),*] $zh:literal $en:literal,)+) => {
        /// The sentences of an answer. `{hours}` stands for the hours of the rule in force, `{reasons}` for the
        /// reasons of a refusal.
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Wording { $($(#[$meta])* pub $key: Sentence,)+ }

        impl Default for Wording {
            fn default() -> Self {
                Self { $($key: Sentence { zh: $zh.to_owned(), en: $en.to_owned(), speech: None },)+ }
            }
        }

        impl Wording {
            /// Each sentence with its key and the placeholders that it may have.
            pub(super) fn all(&self) -> Vec<(&'static str, &Sentence, &'static [&'static str])> {
                vec![$((stringify!($key), &self.$key, &[$($placeholder),*]),)+]
            }
        }
    };
}

wording! {
    /// Green, and may enter.
    admit_green [] "绿码，请通行" "Green code, please enter",
    /// May enter where no colour is asked for.
    admit [] "请通行" "Please enter",
    /// May enter under an exemption.
    admit_exempted [] "特殊情况已登记，请通行" "Exemption recorded, please enter",
    /// Came too late for a verdict.
    recorded [] "已登记" "Recorded",
    /// Leaves.
    exit [] "已登记离开" "Exit recorded",
    /// May not enter.
    refuse ["reasons"] "{reasons}，不能进入" "No entry: {reasons}",
    /// A reason: yellow.
    colour_yellow [] "黄码" "yellow code",
    /// A reason: red.
    colour_red [] "红码" "red code",
    /// A reason: no health code is known for the person.
    health_unknown [] "未查询到健康码" "no health code is known",
    /// A reason: the health code has expired.
    health_expired [] "健康码已过期" "the health code has expired",
    /// A reason: health codes cannot be looked up just now.
    health_unavailable [] "健康码暂时无法查询" "health codes are temporarily not available",
    /// A reason: no test is known, and the rule asks for one.
    test_missing ["hours"] "未查询到核酸检测结果" "no test result is known",
    /// A reason: the last test is too old.
    test_too_old ["hours"] "核酸采样已超过{hours}小时" "the last test was sampled more than {hours} hours ago",
    /// A reason: test results cannot be looked up just now.
    test_unavailable ["hours"] "核酸检测结果暂时无法查询" "test results are temporarily not available",
    /// A reason: the last test is positive.
    test_positive [] "核酸检测阳性" "the last test is positive",
    /// A reason: symptoms were declared.
    symptoms [] "申报有症状" "symptoms were declared",
}

impl Sentence {
    /// What is spoken, in Chinese and in English.
    pub fn spoken(&self) -> (&str, &str) {
        self.speech.as_ref().map_or((&self.zh, &self.en), |speech| (&speech.zh, &speech.en))
    }
}

/// The names between braces in a text; `None` when a brace is not closed or not opened.
pub fn placeholders(text: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let inside = rest[at..].strip_prefix('{')?;
        let end = inside.find(['{', '}'])?;
        names.push(&inside[..end]);
        rest = inside[end..].strip_prefix('}')?;
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_and_a_lonely_brace_is_too() {
        assert_eq!(placeholders("a {x} b {y}"), Some(vec!["x", "y"]));
        assert_eq!(placeholders("请通行"), Some(vec![]));
        for broken in ["{x", "x}", "{x{y}}", "}{"] {
            assert_eq!(placeholders(broken), None, "{broken}");
        }
    }
}
