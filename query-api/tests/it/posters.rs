//! What is printed can be scanned, read, found and typed, and is what was asked for.

use std::sync::LazyLock;

use benches::printed::{Picture, dpi_from, page_sizes_mm, text_of};
use query_api::poster::{Fonts, Format, Order, Poster, Press, PressError, Unprintable, Venue, default_dpi};
use schemas::{
    CityProfile, KeyRing, VenueCode,
    city::{PosterSize, VenueKind},
};
use service::code::CodeSigner;

use crate::city::{CODE_KEYS_FILE, env};

const SIZES: [PosterSize; 3] = [PosterSize::A4, PosterSize::Sheet60x90, PosterSize::Stand80x180];
const MEMORY_CHILD: &str = "POSTER_MEMORY_CHILD";

static PRESS: LazyLock<Press> = LazyLock::new(|| {
    let fonts = Fonts::try_read(env("VENUECODE_FONTS").as_ref()).expect("the fonts, by deploy/fonts/fetch.sh");
    Press::try_new(fonts).expect("a press")
});

fn signer() -> CodeSigner {
    let keys = std::fs::read_to_string(CODE_KEYS_FILE).expect("the keys");
    let keys = KeyRing::try_parse(&keys).expect("keys");
    CodeSigner { keys, base_url: "HTTPS://CODE.EXAMPLE/V/".to_owned() }
}

fn cities() -> Vec<CityProfile> {
    CityProfile::built_in_names().map(|name| CityProfile::try_built_in(name).expect("a city")).collect()
}

fn poster_in(city: &CityProfile, name: &str) -> Poster {
    let category = city.categories.first().expect("a category").id.clone();
    let code = VenueCode { venue: 4_294_967_295, serial: 255 };
    let door = Some("东门 East Gate".to_owned());
    Poster::new(city, &signer(), Venue { code, name: name.to_owned(), category, district: 310_101, door })
}

fn poster(name: &str) -> Poster {
    poster_in(&CityProfile::try_built_in("shanghai").expect("a city"), name)
}

fn print(poster: &Poster, size: PosterSize, format: Format) -> Vec<u8> {
    PRESS.print(poster, Order { size, format, dpi: default_dpi(size) }).expect("a poster")
}

/// What a phone reads in a few frames, which a hand takes from distances that differ by some percent.
fn scan(dpi: f64, what: &str, frame: impl Fn(f64) -> Picture) -> VenueCode {
    let mut frames = [1.0, 0.97, 1.03, 0.94, 1.06].into_iter().map(|nearer| frame(dpi * nearer).qr_codes());
    let codes = frames.find(|codes| !codes.is_empty()).unwrap_or_default();
    let [text] = &codes[..] else { panic!("not one code can be read in {what} at {dpi} dpi") };
    assert!(text.starts_with("HTTPS://CODE.EXAMPLE/V/"), "{what}: {text}");
    VenueCode::verify(text, &signer().keys).expect("a code of ours")
}

#[test]
fn every_citys_poster_can_be_scanned_from_where_people_stand() {
    let code = VenueCode { venue: 4_294_967_295, serial: 255 };
    for city in cities() {
        let poster = poster_in(&city, "蜀香园火锅（南京东路店）");
        for (size, metres) in SIZES.into_iter().zip([1.0, 2.0, 3.0]) {
            let what = format!("{} {size:?}", city.city);
            let dpi = dpi_from(metres);
            let png = |dpi: f64| Order { size, format: Format::Png, dpi: dpi.round() as u16 };
            let png = |dpi| Picture::of_png(&PRESS.print(&poster, png(dpi)).expect("a poster")).expect("a picture");
            assert_eq!(scan(dpi, &what, png), code, "{what}");
            let pdf = print(&poster, size, Format::Pdf);
            assert_eq!(scan(dpi, &what, |dpi| Picture::of_pdf(&pdf, dpi).expect("a PDF")), code, "{what}");
        }
    }
}

#[test]
fn pages_are_exact_to_the_millimetre_in_every_format() {
    let poster = poster("阜阳市人民医院");
    for size in SIZES {
        let (width, height) = size.millimetres();
        let [(w, h)] = page_sizes_mm(&print(&poster, size, Format::Pdf)).expect("a PDF")[..] else {
            panic!("not one page")
        };
        assert!((w - f64::from(width)).abs() < 0.05 && (h - f64::from(height)).abs() < 0.05, "{w} x {h}");

        let svg = String::from_utf8(print(&poster, size, Format::Svg)).expect("text");
        let points = |mm: u16| format!("{:.0}", f64::from(mm) / 25.4 * 72.0);
        let attribute =
            |name: &str| svg.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split_once("pt\""));
        for (name, mm) in [("width", width), ("height", height)] {
            let (value, _) = attribute(name).expect("a size in points");
            assert_eq!(format!("{:.0}", value.parse::<f64>().expect("a number")), points(mm), "{name}");
        }

        let png = print(&poster, size, Format::Png);
        let per_inch = f64::from(default_dpi(size)) / 25.4;
        let pixels = |mm: u16| (f64::from(mm) * per_inch).round() as usize;
        assert_eq!(Picture::of_png(&png).expect("a picture").size(), (pixels(width), pixels(height)));
        let per_metre = ((per_inch * 1000.0).round() as u32).to_be_bytes();
        let resolution = [&b"pHYs"[..], &per_metre, &per_metre, &[1]].concat();
        assert!(png.windows(resolution.len()).any(|part| part == resolution), "a printer would not know the size");
    }
}

#[test]
fn the_pdf_is_found_by_what_it_says_and_the_code_can_be_typed() {
    let city = CityProfile::try_built_in("fuyang").expect("a city");
    let text = text_of(&print(&poster_in(&city, "阜阳市人民医院门诊部"), PosterSize::A4, Format::Pdf)).expect("a PDF");
    let code = VenueCode { venue: 4_294_967_295, serial: 255 }.sign(&signer().keys).to_string();
    let category = &city.categories.first().expect("a category").name;
    for words in ["阜阳市人民医院门诊部", "东门 East Gate", &category.zh, &category.en, &code, "No. 4294967295"]
    {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    for words in [&city.poster.venue.title, &city.poster.venue.sentence] {
        assert!(text.contains(&words.zh) && text.contains(&words.en), "{words:?} is not in {text}");
    }
}

#[test]
fn a_freight_code_has_the_words_for_lorries() {
    let city = CityProfile::try_built_in("kaifeng").expect("a city");
    let freight = city.categories.iter().find(|category| category.kind == VenueKind::FreightCheckpoint);
    let category = freight.expect("a checkpoint").id.clone();
    let code = VenueCode { venue: 9, serial: 0 };
    let venue = Venue { code, name: "连霍高速开封西站".to_owned(), category, district: 410_202, door: None };
    let text = text_of(&print(&Poster::new(&city, &signer(), venue), PosterSize::A4, Format::Pdf)).expect("a PDF");
    let words = city.poster.freight.as_ref().expect("words for lorries");
    assert!(text.contains(&words.title.zh) && text.contains(&words.sentence.zh), "{text}");
    assert!(!text.contains(&city.poster.venue.sentence.zh), "{text}");
}

#[test]
fn markup_in_a_name_is_printed_as_it_is() {
    for name in [
        "#panic(\"x\") $a^2$ *b* _c_ `d` @e",
        "\\ \\u{41} // /* <f> [g] = h",
        "#image(\"/poster.json\") & <script>",
        "{{name}} %s ${HOME} ' \" -- ...",
        "一",
        "KFC肯德基No.3餐厅",
    ] {
        let text = text_of(&print(&poster(name), PosterSize::A4, Format::Pdf)).expect("a PDF");
        assert!(text.contains(name), "{name} is not in {text}");
    }
}

#[test]
fn the_longest_names_stay_within_the_page() {
    let (words, run) = ("Ministry of Silly Walks ".repeat(4), "W".repeat(100));
    let names = [&"国".repeat(100), words.trim(), &run, "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW国"];
    for name in names {
        for size in SIZES {
            let pdf = print(&poster(name), size, Format::Pdf);
            let text = text_of(&pdf).expect("a PDF").replace(['\u{200b}', ' '], "");
            assert!(text.contains(&name.replace(' ', "")), "{name} is not in {text}");
            // Nothing touches the edge where the name stands.
            assert!(
                Picture::of_pdf(&pdf, 30.0).expect("a PDF").is_blank_at_the_edges(),
                "{name} on {size:?} sticks out"
            );
            scan(50.0, name, |dpi| Picture::of_pdf(&pdf, dpi).expect("a PDF"));
        }
    }
}

#[test]
fn what_cannot_be_printed_is_refused_and_named() {
    let refused =
        |name: &str| match PRESS.print(&poster(name), Order { size: PosterSize::A4, format: Format::Png, dpi: 50 }) {
            Err(PressError::Unprintable(Unprintable { what: "name", character })) => character,
            other => panic!("{name} was not refused: {:?}", other.map(|bytes| bytes.len())),
        };
    for (name, character) in [
        ("𠮷野家", '𠮷'),
        ("مطعم", 'م'),
        ("店\u{202e}gnp", '\u{202e}'),
        ("店\u{200b}面", '\u{200b}'),
        ("店\n面", '\n'),
        ("店\u{7}", '\u{7}'),
        ("茶😀", '😀'),
    ] {
        assert_eq!(refused(name), character);
    }
}

#[test]
fn the_same_poster_is_the_same_bytes_and_any_change_has_another_fingerprint() {
    let order = |size, format, dpi| Order { size, format, dpi };
    for format in Format::ALL {
        let order = order(PosterSize::A4, format, 50);
        let print = || PRESS.print(&poster("甲"), order).expect("a poster");
        assert!(print() == print(), "{format}");
    }
    let print = |poster: &Poster, order| Press::fingerprint(poster, order).expect("a fingerprint");
    let first = print(&poster("甲"), order(PosterSize::A4, Format::Pdf, 300));
    assert_eq!(print(&poster("甲"), order(PosterSize::A4, Format::Pdf, 300)), first);
    let kaifeng = CityProfile::try_built_in("kaifeng").expect("a city");
    let others = [
        print(&poster("乙"), order(PosterSize::A4, Format::Pdf, 300)),
        print(&poster_in(&kaifeng, "甲"), order(PosterSize::A4, Format::Pdf, 300)),
        print(&poster("甲"), order(PosterSize::Sheet60x90, Format::Pdf, 300)),
        print(&poster("甲"), order(PosterSize::A4, Format::Png, 300)),
        print(&poster("甲"), order(PosterSize::A4, Format::Png, 150)),
    ];
    assert!(others.iter().enumerate().all(|(i, other)| *other != first && !others[..i].contains(other)));
}

#[test]
fn cities_differ_in_words_and_colours() {
    let pngs: Vec<_> = cities()
        .iter()
        .map(|city| PRESS.print(&poster_in(city, "甲"), Order { size: PosterSize::A4, format: Format::Png, dpi: 50 }))
        .map(|png| image::load_from_memory(&png.expect("a poster")).expect("a picture").to_rgb8())
        .map(|picture| *picture.get_pixel(3, 3))
        .collect();
    for (i, colour) in pngs.iter().enumerate() {
        for other in &pngs[..i] {
            let distance: u32 = colour.0.iter().zip(other.0).map(|(a, b)| u32::from(a.abs_diff(b))).sum();
            assert!(distance > 60, "{colour:?} and {other:?} are too much alike");
        }
    }
}

/// Runs itself in a process of its own, where no other test takes memory.
#[test]
fn two_hundred_posters_in_a_row_do_not_grow_memory() {
    if std::env::var_os(MEMORY_CHILD).is_none() {
        let name = "posters::two_hundred_posters_in_a_row_do_not_grow_memory";
        let child = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args([name, "--exact", "--nocapture"])
            .env(MEMORY_CHILD, "1")
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let print = |number: u32| {
        let name = format!("第{number}号店{}", char::from_u32(0x4e00 + number * 7).expect("a character"));
        print(&poster(&name), PosterSize::A4, Format::ALL[(number % 2) as usize]);
    };
    (0..40).for_each(print);
    let before = resident_mib();
    (40..240).for_each(print);
    let after = resident_mib();
    assert!(after - before < 30.0, "{before} MiB became {after} MiB");
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("resident memory");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}
