//! The sixteen districts of Shanghai: code (GB/T 2260), name, residents and centre.

/// A district of the city.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct District {
    /// Six-digit code of GB/T 2260.
    pub code: u32,
    /// Name in Chinese.
    pub name_zh: &'static str,
    /// Residents in units of 10,000 (census of 2020, rounded); venues and homes are spread like them.
    pub residents: u32,
    /// Latitude of its centre, in degrees.
    pub latitude: f64,
    /// Longitude of its centre, in degrees.
    pub longitude: f64,
}

const fn district(code: u32, name_zh: &'static str, residents: u32, latitude: f64, longitude: f64) -> District {
    District { code, name_zh, residents, latitude, longitude }
}

/// All districts of Shanghai.
pub const SHANGHAI: &[District] = &[
    district(310_101, "黄浦区", 66, 31.22, 121.48),
    district(310_104, "徐汇区", 111, 31.19, 121.44),
    district(310_105, "长宁区", 69, 31.22, 121.42),
    district(310_106, "静安区", 98, 31.23, 121.45),
    district(310_107, "普陀区", 124, 31.25, 121.40),
    district(310_109, "虹口区", 76, 31.26, 121.51),
    district(310_110, "杨浦区", 124, 31.27, 121.53),
    district(310_112, "闵行区", 265, 31.11, 121.38),
    district(310_113, "宝山区", 224, 31.41, 121.49),
    district(310_114, "嘉定区", 183, 31.38, 121.27),
    district(310_115, "浦东新区", 568, 31.22, 121.54),
    district(310_116, "金山区", 82, 30.74, 121.34),
    district(310_117, "松江区", 191, 31.03, 121.23),
    district(310_118, "青浦区", 127, 31.15, 121.12),
    district(310_120, "奉贤区", 114, 30.92, 121.47),
    district(310_151, "崇明区", 64, 31.62, 121.40),
];
