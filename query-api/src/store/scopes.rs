//! The counts of the city, of all districts and of all categories by hour or minute, from which one knows what has changed.

use std::collections::{BTreeMap, HashMap};

use super::{BucketRow, Kind, Scope, Store};
use crate::QueryError;

const BY_HOUR: &str = include_str!("../sql/counts_of_scopes.sql");
/// Of so many scans and fewer the counts are made anew where they are not kept.
const FEW_SCANS: &str = "1000000";

/// Counts by scope and start, in seconds since 1970; nobody is counted as a person.
pub type Counts = HashMap<Scope, BTreeMap<u32, BucketRow>>;

row_with_counts!(StepRow { left_out: u8, district: u32, category: String, start: u32 });

impl StepRow {
    /// What was not left out of district and category, in this order.
    fn scope(&self) -> Scope {
        match self.left_out {
            0b01 => Scope::District(self.district),
            0b10 => Scope::Category(self.category.clone()),
            _ => Scope::City,
        }
    }

    fn counts(&self) -> BucketRow {
        let mut counts = BucketRow { start: self.start.into(), ..BucketRow::default() };
        self.add_to(&mut counts);
        counts
    }
}

impl Store {
    /// The counts of each hour. `are_few` is whether there were so few scans the last time that no counts of them were of
    /// use, as when nobody scans: to find that out by an exception each time would fill ClickHouse's log.
    ///
    /// # Errors
    /// When ClickHouse does not answer, or the counts are not kept and would have to be made of many scans.
    pub async fn counts_by_hour(&self, are_few: &mut bool) -> Result<Counts, QueryError> {
        self.counts_of_scopes(BY_HOUR, "places_by_hour", 0, are_few).await
    }

    /// The counts of each minute since a whole hour.
    ///
    /// # Errors
    /// As for hours.
    pub async fn counts_by_minute(&self, since: u32, are_few: &mut bool) -> Result<Counts, QueryError> {
        let by_minute = BY_HOUR.replace("toStartOfHour", "toStartOfMinute");
        self.counts_of_scopes(&by_minute, "places_by_minute", since, are_few).await
    }

    async fn counts_of_scopes(
        &self,
        sql: &str,
        projection: &'static str,
        since: u32,
        are_few: &mut bool,
    ) -> Result<Counts, QueryError> {
        let query = || self.query(sql).param("since", since);
        // To count more each time would cost more than polls that ask for themselves.
        let few = || self.rows::<StepRow>(Kind::ScopesCounted, query().with_setting("max_rows_to_read", FEW_SCANS));
        if *are_few && let Ok(rows) = few().await {
            return Ok(counts_of(rows));
        }
        let rows = match self.rows_of_projection(Kind::Scopes, projection, query()).await? {
            Some(rows) => {
                *are_few = false;
                rows
            }
            None => {
                let rows = few().await;
                *are_few = rows.is_ok();
                rows?
            }
        };
        Ok(counts_of(rows))
    }
}

fn counts_of(rows: Vec<StepRow>) -> Counts {
    let mut counts = Counts::new();
    for row in rows {
        counts.entry(row.scope()).or_default().insert(row.start, row.counts());
    }
    counts
}
