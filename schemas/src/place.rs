//! Where something is on the map.

/// Mean radius of the earth in metres.
const EARTH_M: f64 = 6_371_009.0;

/// A place in degrees (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Latitude.
    pub latitude: f64,
    /// Longitude.
    pub longitude: f64,
}

impl Place {
    /// Metres to another place as the crow flies.
    pub fn distance_m(self, other: Self) -> f64 {
        let (a, b) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
        let chord = half(other.latitude - self.latitude) + a.cos() * b.cos() * half(other.longitude - self.longitude);
        2.0 * EARTH_M * chord.sqrt().min(1.0).asin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_map() {
        let place = |latitude, longitude| Place { latitude, longitude };
        // The Bund, and the station of Hangzhou.
        let metres = place(31.2397, 121.4900).distance_m(place(30.2464, 120.1819));
        assert!((166_000.0..168_500.0).contains(&metres), "{metres}");
        let quarter = place(0.0, 0.0).distance_m(place(90.0, 0.0));
        assert!((quarter - EARTH_M * std::f64::consts::FRAC_PI_2).abs() < 1.0, "{quarter}");
        assert!(place(12.0, 34.0).distance_m(place(12.0, 34.0)) < 1e-6);
    }
}
