//! Declares closed lists of words.

/// A closed list of words with one spelling on the wire, in ClickHouse and in answers.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What a word stands for; none when it is not in the list.
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|own| own.as_str() == word)
            }
        }

        // Derived, it would name the variants: utoipa does not see a word that comes out of a macro.
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let words = Self::ALL.iter().map(|word| word.as_str());
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some(words))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use utoipa::PartialSchema;

    words! {
        /// Two words.
        Outcome {
            /// As it says.
            NotFound = "not_found",
            /// As it says.
            FalseAlarm = "false_alarm",
        }
    }

    #[test]
    fn a_word_is_the_same_on_the_wire_in_both_schemas_and_in_code() {
        let words = serde_json::json!(["not_found", "false_alarm"]);
        assert_eq!(serde_json::json!(Outcome::ALL), words);
        assert_eq!(serde_json::json!([Outcome::NotFound.as_str(), Outcome::FalseAlarm.as_str()]), words);
        assert_eq!((Outcome::of("not_found"), Outcome::of("lost")), (Some(Outcome::NotFound), None));
        assert_eq!(serde_json::to_value(Outcome::schema()).expect("serialises")["enum"], words);
        let schema = serde_json::to_string(&schemars::schema_for!(Outcome)).expect("serialises");
        assert!(schema.contains("\"not_found\"") && !schema.contains("NotFound"), "{schema}");
    }
}
