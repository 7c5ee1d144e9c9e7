//! Where a venue is, in six bytes: two million of them are held, and to within two metres is more than its address says.

use schemas::Place;

/// Steps of 24 bits; the step 0 of the latitude is no place.
const STEPS: f64 = (1 << 24) as f64 - 2.0;

/// A place to within two metres, or none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spot([u8; 6]);

impl Spot {
    /// The spot of a place in degrees, or none without one.
    pub fn new(latitude: Option<f64>, longitude: Option<f64>) -> Self {
        let (Some(latitude), Some(longitude)) = (latitude, longitude) else { return Self::default() };
        let step = |share: f64| ((share.clamp(0.0, 1.0) * STEPS).round() as u32 + 1).to_le_bytes();
        let ([a, b, c, _], [d, e, f, _]) = (step(latitude / 180.0 + 0.5), step(longitude / 360.0 + 0.5));
        Self([a, b, c, d, e, f])
    }

    /// Its place.
    pub fn place(self) -> Option<Place> {
        let share = |bytes: [u8; 3]| {
            let [a, b, c] = bytes;
            u32::from_le_bytes([a, b, c, 0]).checked_sub(1).map(|step| f64::from(step) / STEPS - 0.5)
        };
        let [a, b, c, d, e, f] = self.0;
        Some(Place { latitude: share([a, b, c])? * 180.0, longitude: share([d, e, f])? * 360.0 })
    }

    /// Its bytes, for a snapshot.
    pub const fn to_bytes(self) -> [u8; 6] {
        self.0
    }

    /// The spot with these bytes.
    pub const fn from_bytes(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_is_kept_to_within_two_metres(latitude in -90.0f64..=90.0, longitude in -180.0f64..=180.0) {
            let spot = Spot::new(Some(latitude), Some(longitude));
            let kept = spot.place().expect("a place");
            prop_assert!(kept.distance_m(Place { latitude, longitude }) < 2.0, "{:?}", kept);
            prop_assert_eq!(Spot::from_bytes(spot.to_bytes()), spot);
        }
    }

    #[test]
    fn without_coordinates_there_is_no_place() {
        assert_eq!(Spot::new(None, Some(1.0)).place(), None);
        for (latitude, longitude) in [(-90.0, -180.0), (90.0, 180.0), (0.0, 0.0)] {
            let kept = Spot::new(Some(latitude), Some(longitude)).place().expect("a place");
            assert!((kept.latitude - latitude).abs() < 1e-4 && (kept.longitude - longitude).abs() < 1e-4, "{kept:?}");
        }
    }
}
