//! The ten counts of scans, named once for all rows that have them: what is added to a [`BucketRow`](super::BucketRow).

macro_rules! add {
    ($sum:expr, $row:expr, $($count:ident)+) => { $($sum.$count += $row.$count;)+ };
}

/// Adds the counts of one row to those of another.
macro_rules! add_counts {
    ($sum:expr, $row:expr) => {
        add!($sum, $row, scans green yellow red sentinel_health_code sentinel_id_card reverse_scan manual refused exits)
    };
}

/// A row of ClickHouse with columns of its own before the counts.
macro_rules! row_with_counts {
    ($name:ident { $($own:ident: $type:ty),+ $(,)? }) => {
        #[derive(clickhouse::Row, serde::Deserialize)]
        struct $name {
            $($own: $type,)+
            scans: u64,
            green: u64,
            yellow: u64,
            red: u64,
            sentinel_health_code: u64,
            sentinel_id_card: u64,
            reverse_scan: u64,
            manual: u64,
            refused: u64,
            exits: u64,
        }

        impl $name {
            fn add_to(&self, sum: &mut super::BucketRow) {
                add_counts!(sum, self);
            }
        }
    };
}
