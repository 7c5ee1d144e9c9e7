//! Printing a poster, by format and size. `make bench-micro` says where the fonts are.

#![expect(clippy::expect_used, reason = "a bench that cannot go on should say where")]

use criterion::{Criterion, criterion_group, criterion_main};
use query_api::poster::{Fonts, Format, Order, Poster, Press, Venue, default_dpi, size_word};
use schemas::{CityProfile, KeyRing, VenueCode, city::PosterSize};
use service::code::CodeSigner;

fn posters(c: &mut Criterion) {
    let folder = std::env::var_os("VENUECODE_FONTS").expect("VENUECODE_FONTS: run `make bench-micro`");
    let press = Press::try_new(Fonts::try_read(folder.as_ref()).expect("the fonts")).expect("a press");
    let city = CityProfile::try_built_in("shanghai").expect("a city");
    let keys = KeyRing::try_parse(&format!("1:{}", "ab".repeat(32))).expect("a key");
    let signer = CodeSigner { keys, base_url: "HTTPS://CODE.EXAMPLE/V/".to_owned() };
    let mut number = 0;
    let mut next = || {
        number += 1;
        let venue = Venue {
            code: VenueCode { venue: number, serial: 0 },
            name: format!("蜀香园火锅第{number}分店"),
            category: "catering".to_owned(),
            district: 310_101,
            door: Some("东门".to_owned()),
        };
        Poster::new(&city, &signer, venue)
    };
    let mut group = c.benchmark_group("poster");
    group.sample_size(20);
    for (size, format) in [
        (PosterSize::A4, Format::Pdf),
        (PosterSize::A4, Format::Svg),
        (PosterSize::A4, Format::Png),
        (PosterSize::Stand80x180, Format::Pdf),
        (PosterSize::Stand80x180, Format::Png),
    ] {
        let order = Order { size, format, dpi: default_dpi(size) };
        group.bench_function(format!("{} {format}", size_word(size)), |b| {
            b.iter(|| press.print(&next(), order).expect("a poster"));
        });
    }
    group.finish();
}

criterion_group!(benches, posters);
criterion_main!(benches);
