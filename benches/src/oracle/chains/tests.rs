use super::*;

const WEIGHTS: Weights = Weights { halving_s: 900.0, hop: 0.5 };

fn passage(person: u64, venue: VenueId, minute: i64, is_exit: bool) -> Passage {
    Passage { person, at: minute * 60, venue, is_exit, usual_s: 3_600, longest_s: 14_400 }
}

#[test]
fn a_contact_infects_nobody_before_its_own_exposure() {
    let window = StayRule::Window(1_800);
    let scans = [(1, 7, 100), (2, 7, 110), (3, 8, 60), (2, 8, 62), (2, 9, 200), (4, 9, 215), (4, 5, 300), (5, 5, 300)];
    let chains = Chains::new(scans.map(|(person, venue, minute)| passage(person, venue, minute, false)), window);
    let reached = |hops| chains.reached(&[Case::Person(1)], &(0..60_000), hops, WEIGHTS);
    assert_eq!(reached(1).keys().copied().collect::<Vec<_>>(), [2]);
    assert_eq!(reached(2).keys().copied().collect::<Vec<_>>(), [2, 4], "3 met 2 before 2 met 1");
    assert_eq!(reached(3).keys().copied().collect::<Vec<_>>(), [2, 4, 5]);
    let of_2 = 1.0 - 0.5f64.powf(20.0 / 15.0);
    let of_4 = of_2 * 0.5 * 0.5;
    assert!((reached(3)[&2].score - of_2).abs() < 1e-12 && (reached(3)[&4].score - of_4).abs() < 1e-12);
    assert_eq!(reached(3)[&4].exposed, BTreeMap::from([(0, 215 * 60)]));
}

#[test]
fn each_rule_of_dwell_gives_the_stay_that_it_names() {
    let passages = [
        passage(1, 7, 100, false),
        passage(1, 7, 130, true),
        passage(1, 8, 200, false),
        passage(1, 9, 500, false),
        passage(1, 7, 4_000, true),
    ];
    let stays = dwelt(&passages, 86_400);
    let stays: Vec<_> = stays.iter().map(|stay| (stay.venue, stay.from / 60, stay.until / 60, stay.rule)).collect();
    let expected = [
        (7, 100, 130, "exit_scan"),
        (8, 200, 440, "next_scan"),
        (9, 500, 560, "class_default"),
        (7, 3_940, 4_000, "exit_only"),
    ];
    assert_eq!(stays, expected);
}
