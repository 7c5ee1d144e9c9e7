//! Footfall as a flat table: a row for each bucket, of the time that was asked for and of the earlier one.

use super::{Bucket, FootfallResponse};
use crate::export::{Cell, Column, Table};

const COLUMNS: [Column; 17] = [
    Column::text("scope"),
    Column::text("id"),
    Column::flag("earlier"),
    Column::time("start"),
    Column::whole("scans"),
    Column::whole("persons"),
    Column::whole("colours_green"),
    Column::whole("colours_yellow"),
    Column::whole("colours_red"),
    Column::whole("colours_unknown"),
    Column::whole("methods_venue_code"),
    Column::whole("methods_sentinel_health_code"),
    Column::whole("methods_sentinel_id_card"),
    Column::whole("methods_reverse_scan"),
    Column::whole("methods_manual"),
    Column::whole("refused"),
    Column::whole("exits"),
];

impl FootfallResponse {
    fn all(&self) -> impl Iterator<Item = (bool, &Bucket)> {
        let earlier = self.earlier.iter().flatten().map(|bucket| (true, bucket));
        self.buckets.iter().map(|bucket| (false, bucket)).chain(earlier)
    }
}

impl Table for FootfallResponse {
    fn name(&self) -> &'static str {
        "footfall"
    }

    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }

    fn count(&self) -> usize {
        self.all().count()
    }

    fn is_truncated(&self) -> bool {
        false
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Vec<Cell<'_>>> + Send + '_> {
        Box::new(self.all().map(|(earlier, bucket)| {
            let mut row = vec![self.scope.as_str().into(), self.id.as_str().into(), earlier.into()];
            row.extend(bucket.cells());
            row
        }))
    }
}
