//! What stands on a poster: the city's words and the venue's, and the code.

use schemas::{
    CityProfile, VenueCode,
    city::{Bilingual, PosterColours, PosterSize, PosterWords, VenueKind},
};
use serde::Serialize;
use service::code::CodeSigner;

use super::{
    Fonts, PressError, Unprintable,
    qr::QrRuns,
    text::{self, breakable, pieces},
};

/// The day of this template, which stands in the PDF as its date: PDF/A wants one, and the same poster is to be the
/// same bytes whenever it is printed.
const EDITION: Date = Date { year: 2026, month: 11, day: 22 };
/// What scans are for (S3: 最小够用), and who helps (S0, S3, S4).
const NOTE_ZH: &str = "扫码信息仅用于流行病学调查和人流统计。没有智能手机的，请联系工作人员登记。";
const NOTE_EN: &str = "Scans are used for contact tracing and footfall only. No smartphone? Please ask the staff.";
/// How the 17 characters of a code are grouped, for reading and typing.
const GROUPS: [usize; 4] = [5, 4, 4, 4];

/// The venue that a poster is for, as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Venue {
    /// Number and issue.
    pub code: VenueCode,
    /// Its name.
    pub name: String,
    /// Its category, an id of the city profile or of an older one.
    pub category: String,
    /// Six-digit code of its district (GB/T 2260).
    pub district: u32,
    /// Door or point, where it has one.
    pub door: Option<String>,
}

/// A poster of one venue, for any size and format.
#[derive(Debug, Clone)]
pub struct Poster {
    words: PosterWords,
    apps: Vec<Bilingual>,
    colours: PosterColours,
    category: Bilingual,
    venue: Venue,
    code: String,
    key_version: u8,
    url: String,
    city: Bilingual,
}

impl Poster {
    /// The poster of a venue, in its city's words, with its code signed anew.
    pub fn new(city: &CityProfile, signer: &CodeSigner, venue: Venue) -> Self {
        let category = city.category(&venue.category);
        let is_freight =
            category.is_some_and(|c| matches!(c.kind, VenueKind::FreightCheckpoint | VenueKind::FreightDestination));
        let words = city.poster.freight.as_ref().filter(|_| is_freight).unwrap_or(&city.poster.venue);
        let unnamed = || Bilingual { zh: venue.category.clone(), en: String::new() };
        Self {
            words: words.clone(),
            apps: city.poster.apps.clone(),
            colours: city.poster.colours.clone(),
            category: category.map_or_else(unnamed, |category| category.name.clone()),
            code: venue.code.sign(&signer.keys).to_string(),
            key_version: signer.keys.active_version(),
            url: signer.url(venue.code),
            city: city.name.clone(),
            venue,
        }
    }

    /// Looks at every character that comes from outside the template.
    ///
    /// # Errors
    /// The first one that cannot be printed.
    pub fn check(&self, fonts: &Fonts) -> Result<(), Unprintable> {
        text::check("name", &self.venue.name, fonts)?;
        text::check("door", self.venue.door.as_deref().unwrap_or_default(), fonts)?;
        let words = &self.words;
        let texts = [&self.city, &words.title, &words.sentence, &self.category];
        for text in texts.into_iter().chain(&words.instructions).chain(&self.apps) {
            text::check("city profile", &text.zh, fonts)?;
            text::check("city profile", &text.en, fonts)?;
        }
        Ok(())
    }

    /// What a file of it is called: venue, door, size.
    pub fn file_name(&self, size: &str, extension: &str) -> String {
        let door = self.venue.door.as_ref().map(|door| format!("-{door}")).unwrap_or_default();
        let unfit = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
        format!("{}{door}-{size}.{extension}", self.venue.name).replace(unfit, "_")
    }
}

#[derive(Debug, Serialize)]
struct Date {
    year: i32,
    month: u8,
    day: u8,
}

#[derive(Debug, Serialize)]
struct Paper {
    width_mm: u16,
    height_mm: u16,
}

/// What the template reads, as `poster.json`.
#[derive(Debug, Serialize)]
pub struct Sheet<'a> {
    page: Paper,
    edition: Date,
    colours: Colours<'a>,
    title: Bilingual,
    sentence: &'a Bilingual,
    invitation: Bilingual,
    steps: &'a [Bilingual],
    name: String,
    category: &'a Bilingual,
    door: Option<String>,
    /// Runs of letters in the name that stay on one line.
    pieces: Vec<String>,
    qr: QrRuns,
    code: Vec<&'a str>,
    note: Bilingual,
    imprint: String,
}

#[derive(Debug, Serialize)]
struct Colours<'a> {
    primary: &'a str,
    accent: &'a str,
    on_primary: &'a str,
}

impl<'a> Sheet<'a> {
    /// The texts of a poster of a size.
    ///
    /// # Errors
    /// When its URL does not fit into a QR code.
    pub fn try_new(poster: &'a Poster, size: PosterSize) -> Result<Self, PressError> {
        let (width_mm, height_mm) = size.millimetres();
        let venue = &poster.venue;
        let name = breakable(&venue.name);
        let PosterColours { primary, accent, on_primary } = &poster.colours;
        Ok(Self {
            page: Paper { width_mm, height_mm },
            edition: EDITION,
            colours: Colours { primary, accent, on_primary },
            title: titled(&poster.city, &poster.words.title),
            sentence: &poster.words.sentence,
            invitation: invitation(&poster.apps),
            steps: &poster.words.instructions,
            category: &poster.category,
            door: venue.door.as_deref().map(breakable),
            pieces: pieces(&name).into_iter().map(str::to_owned).collect(),
            name,
            qr: QrRuns::try_new(&poster.url)?,
            code: groups(&poster.code),
            note: Bilingual { zh: NOTE_ZH.to_owned(), en: NOTE_EN.to_owned() },
            imprint: format!(
                "编号 No. {} · 签发 Issue {} · 密钥 Key {} · {}",
                venue.code.venue, venue.code.serial, poster.key_version, venue.district
            ),
        })
    }
}

/// The title with the city's name, which some titles have already.
fn titled(city: &Bilingual, title: &Bilingual) -> Bilingual {
    let zh = if title.zh.contains(&city.zh) { title.zh.clone() } else { format!("{}{}", city.zh, title.zh) };
    let en = if title.en.contains(&city.en) { title.en.clone() } else { format!("{} {}", city.en, title.en) };
    Bilingual { zh, en }
}

fn invitation(apps: &[Bilingual]) -> Bilingual {
    let names = |of: fn(&Bilingual) -> &str| apps.iter().map(of).collect::<Vec<_>>();
    let english = match names(|app| &app.en).split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    };
    Bilingual { zh: format!("请用{}扫码", names(|app| &app.zh).join("、")), en: format!("Scan with {english}") }
}

fn groups(code: &str) -> Vec<&str> {
    let mut rest = code;
    let group = |length: usize| {
        let (group, others) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = others;
        group
    };
    GROUPS.into_iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_grouped_without_losing_a_character() {
        let groups = groups("1000000P06XK7YAZQ");
        assert_eq!(groups, ["10000", "00P0", "6XK7", "YAZQ"]);
        assert_eq!(GROUPS.iter().sum::<usize>(), 17);
    }

    #[test]
    fn the_title_names_the_city_once() {
        let both = |zh: &str, en: &str| Bilingual { zh: zh.to_owned(), en: en.to_owned() };
        let city = both("阜阳", "Fuyang");
        let named = both("阜阳场所码", "Fuyang venue code");
        assert_eq!(titled(&city, &both("场所码", "venue code")), named);
        assert_eq!(titled(&city, &named), named);
    }

    #[test]
    fn the_invitation_names_every_app() {
        let app = |zh: &str, en: &str| Bilingual { zh: zh.to_owned(), en: en.to_owned() };
        let apps = [app("随申办", "Suishenban"), app("微信", "WeChat"), app("支付宝", "Alipay")];
        let (one, all) = (invitation(&apps[..1]), invitation(&apps));
        assert_eq!((one.zh.as_str(), one.en.as_str()), ("请用随申办扫码", "Scan with Suishenban"));
        assert_eq!(
            (all.zh.as_str(), all.en.as_str()),
            ("请用随申办、微信、支付宝扫码", "Scan with Suishenban, WeChat or Alipay")
        );
    }
}
