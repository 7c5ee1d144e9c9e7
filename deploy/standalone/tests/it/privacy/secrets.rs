//! Who must not be found, and every form in which it could lie somewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A valid number of nobody.
pub const ID_CARD: &str = "410202198512120011";
pub const NAME: &str = "欧阳慕容雪";
pub const PHONE: &str = "13912340987";
pub const ADDRESS: &str = "开封市鼓楼区隐秘里987号";
pub const PASSPORT: &str = "EK9876543";
/// A lorry's, which leads to its driver.
pub const PLATE: &str = "豫BQ8K71";

/// A text and its bytes in GBK.
#[derive(Debug, Clone, Copy)]
pub struct Secret {
    pub text: &'static str,
    pub gbk: &'static [u8],
}

pub const SECRETS: [Secret; 6] = [
    Secret { text: ID_CARD, gbk: ID_CARD.as_bytes() },
    Secret { text: NAME, gbk: b"\xc5\xb7\xd1\xf4\xc4\xbd\xc8\xdd\xd1\xa9" },
    Secret { text: PHONE, gbk: PHONE.as_bytes() },
    Secret {
        text: ADDRESS,
        gbk: b"\xbf\xaa\xb7\xe2\xca\xd0\xb9\xc4\xc2\xa5\xc7\xf8\xd2\xfe\xc3\xd8\xc0\xef\x39\x38\x37\xba\xc5",
    },
    Secret { text: PASSPORT, gbk: PASSPORT.as_bytes() },
    Secret { text: PLATE, gbk: b"\xd4\xa5BQ8K71" },
];

/// Planted in the clear, to see that it is found.
pub const DECOY: Secret = Secret { text: "诸葛", gbk: b"\xd6\xee\xb8\xf0" };

impl Secret {
    /// What bytes to look for, each with the name of its form.
    pub fn forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        let utf16 = |bytes: fn(u16) -> [u8; 2]| self.text.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
        let mut forms = vec![
            ("utf-8", self.text.as_bytes().to_vec()),
            ("utf-16le", utf16(u16::to_le_bytes)),
            ("utf-16be", utf16(u16::to_be_bytes)),
            ("gbk", self.gbk.to_vec()),
            ("percent", percent(self.text.as_bytes()).into_bytes()),
            ("percent, lower case", percent(self.text.as_bytes()).to_lowercase().into_bytes()),
            ("percent of gbk", percent(self.gbk).into_bytes()),
            ("json", json_escaped(self.text).into_bytes()),
            ("json, upper case", json_escaped(self.text).to_uppercase().replace("\\U", "\\u").into_bytes()),
            ("hex", hex::encode(self.text).into_bytes()),
            ("hex, upper case", hex::encode_upper(self.text).into_bytes()),
        ];
        for before in 0..3 {
            let (standard, url) =
                (base64(self.text, before), base64(self.text, before).replace('+', "-").replace('/', "_"));
            forms.extend([("base64", standard.into_bytes()), ("base64url", url.into_bytes())]);
        }
        forms
    }
}

/// Every byte as `%XX`, also those that need not be.
pub fn percent(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Every character that is not ASCII as JSON may escape it, with its four hexadecimal digits.
pub fn json_escaped(text: &str) -> String {
    let escape = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) };
    text.chars().map(escape).collect()
}

/// The characters of base64 that stand for these bytes alone when so many bytes come before.
fn base64(text: &str, before: usize) -> String {
    let encoded = STANDARD.encode([&vec![0; before], text.as_bytes()].concat());
    let first = (before * 8).div_ceil(6);
    let whole = (before + text.len()) * 8 / 6;
    encoded[first..whole].to_owned()
}

#[test]
fn each_form_is_found_where_a_text_is_written_so() {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let secret = SECRETS[1];
    let has = |text: &[u8]| secret.forms().iter().any(|(_, form)| memchr::memmem::find(text, form).is_some());
    for before in ["", "a", "ab", "abc", "王"] {
        let text = format!("{before}{NAME}之后");
        assert!(
            has(text.as_bytes())
                && has(STANDARD.encode(&text).as_bytes())
                && has(URL_SAFE_NO_PAD.encode(&text).as_bytes())
        );
        assert!(has(hex::encode(&text).as_bytes()) && has(percent(text.as_bytes()).as_bytes()));
        assert!(has(json_escaped(&text).as_bytes()), "{}", json_escaped(&text));
    }
    assert!(!has("欧阳慕容".as_bytes()) && !has(STANDARD.encode("别的人名").as_bytes()));
}
